"""Trains the reference models that ship in ``workers/catalog/reference``, from the data that ships beside them."""
