# Kobling and Airflow in one image, from the committed lock.
FROM python:3.11.13-slim-bookworm
WORKDIR /kobling
COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
    && uv pip install --system --no-cache --compile-bytecode --require-hashes -r requirements.lock
COPY . .
# The volumes take owner and mode from these two folders when they are first made.
RUN uv pip install --system --no-cache --no-deps --no-build-isolation -e . \
    && python -m compileall -q etl deployment dags \
    && install -d -m 0700 -o 50000 -g 0 /home/kobling /airflow
# Nobody in the image has a name for it, a password or a shell; what it runs it cannot change.
USER 50000:0
ENV PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1 GX_ANALYTICS_ENABLED=False
