"""What ships with the reference models: their data, their weights, and the scores those weights reach.

``LICENCES.md`` beside this file says where the data comes from and under which terms it may be passed on.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
