# Two images from one file: `web` (no torch) and `worker` (torch and what the techniques need).
FROM python:3.11-slim AS source
WORKDIR /srv/tradespace
COPY pyproject.toml constraints.txt README.md ./
COPY app app
COPY workers workers
COPY templates templates
COPY static static
COPY migrations migrations
COPY demo demo
RUN useradd --create-home tradespace && mkdir /data && chown tradespace /data
ENV TRADESPACE_DATA=/data PYTHONUNBUFFERED=1

FROM source AS web
RUN pip install --no-cache-dir -c constraints.txt -e '.[postgres,redis]'
USER tradespace
CMD ["tradespace", "serve", "--no-workers"]

FROM source AS worker
# A C++ compiler: torch.compile builds its CPU kernels with it.
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir -c constraints.txt -e '.[worker,redis]'
USER tradespace
CMD ["tradespace", "worker", "--device", "cpu"]
