#!/bin/sh
# Brings the compose deployment back: `make restore` to the end of the archived log, `make restore UNTIL=2026-05-04T09:30:00+08:00` to that
# moment. It ends with what came back, the RPO at most and the RTO; where the record is not the backup's, the programs stay down.
set -eu
cd "$(dirname "$0")/.."
begun=$(date +%s)
until=${UNTIL:+--until=$UNTIL}
work() { docker compose run --rm -T --no-deps "$@"; }
docker compose stop
work operations lay-out $until
work --user 10001:10001 operations give-back
docker compose up -d --wait --no-deps db || { docker compose logs --tail 20 db >&2; exit 1; }
work operations check "--begun=$begun" $until
docker compose up -d --wait
echo "{\"rto_seconds\": $(($(date +%s) - begun))}"
