#!/bin/sh
# Writes each secret that docker-compose.yml names into a folder (./secrets), where it isn't there yet.
# The folder is the owner's alone; the files are readable to the containers' users, who see only those mounted for them.
set -eu
cd "$(dirname "$0")/.."
folder=${QUALITY_AWARD_SECRETS:-./secrets}
mkdir -p "$folder"
chmod 700 "$folder"
sed -n 's/.*{file: .*}\/\([a-z_]*\)"}.*/\1/p' docker-compose.yml | while read -r name; do
    [ -s "$folder/$name" ] && continue
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$folder/$name"
    chmod 444 "$folder/$name"
    echo "$folder/$name"
done
