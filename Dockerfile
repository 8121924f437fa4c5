FROM python:3.11-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY regulation regulation
COPY kernel kernel
COPY services services
COPY gateway gateway
COPY migrations migrations
RUN mkdir -p /var/lib/quality-award && chown 10001:10001 /var/lib/quality-award
USER 10001:10001
EXPOSE 8000
