#!/bin/sh
# Writes each secret that docker-compose.yml names into a folder (./secrets), where it isn't there yet: random ones, and a certificate for
# the edge that signs itself (QUALITY_AWARD_HOST: the name that it is for). Your own go into certificate.pem and certificate_key.pem.
# The folder is the owner's alone; the files are readable to the containers' users, who see only those mounted for them.
set -eu
cd "$(dirname "$0")/.."
folder=${QUALITY_AWARD_SECRETS:-./secrets}
backups=${QUALITY_AWARD_BACKUPS:-./backups}
mkdir -p "$folder" "$backups/wal" "$backups/base" "$backups/files"
chmod 700 "$folder" "$backups"
chmod 777 "$backups/wal" "$backups/base" "$backups/files" # containers' users write there; nobody else passes the folder around them
sed -n 's/.*{file: .*}\/\([a-z_]*\)"}.*/\1/p' docker-compose.yml | while read -r name; do
    [ -s "$folder/$name" ] && continue
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$folder/$name"
    chmod 444 "$folder/$name"
    echo "$folder/$name"
done
if [ ! -s "$folder/certificate.pem" ] || [ ! -s "$folder/certificate_key.pem" ]; then
    command -v openssl >/dev/null || { echo "openssl is needed to make a certificate; or put your own into $folder/certificate.pem and certificate_key.pem" >&2; exit 1; }
    host=${QUALITY_AWARD_HOST:-localhost}
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 -subj "/CN=$host" \
        -addext "subjectAltName=DNS:$host,DNS:localhost,IP:127.0.0.1" \
        -keyout "$folder/certificate_key.pem" -out "$folder/certificate.pem" 2>/dev/null
    chmod 444 "$folder/certificate.pem" "$folder/certificate_key.pem"
    echo "$folder/certificate.pem (signs itself, for $host, 397 days)"
fi
if ! openssl x509 -checkend 0 -noout -in "$folder/certificate.pem" >/dev/null 2>&1; then
    echo "The certificate $folder/certificate.pem has expired or can't be read: put a new one in its place, or remove it and run this again." >&2
    exit 1
fi
