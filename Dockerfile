# One image, three roles: see docker-compose.yml.
FROM python:3.11-slim

# TORCH_INDEX picks the build of torch: .../cpu (the default) or, for NVIDIA GPUs, .../cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN useradd --create-home sigmascope
WORKDIR /srv/sigmascope
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY worker/datasets/builtin/LICENSE-MNIST.txt worker/datasets/builtin/
RUN grep '^torch==' constraints.txt > torch.txt \
    && pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r torch.txt
COPY sigmascope sigmascope
COPY backend backend
COPY frontend frontend
COPY worker worker
RUN pip install --no-cache-dir -c constraints.txt '.[server]' && rm -rf /srv/sigmascope/* \
    && mkdir checkpoints && chown sigmascope checkpoints
USER sigmascope
ENV PYTHONUNBUFFERED=1
