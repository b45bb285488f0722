# Kobling and Airflow in one image, from the committed lock.
FROM python:3.11-slim
WORKDIR /kobling
COPY requirements-uv.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
    && uv pip install --system --no-cache --require-hashes -r requirements.lock
COPY . .
RUN uv pip install --system --no-cache --no-deps --no-build-isolation -e . \
    && mkdir -p /home/kobling /airflow && chown 50000:0 /home/kobling /airflow
USER 50000:0
