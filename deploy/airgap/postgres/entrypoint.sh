#!/bin/sh
# On the first start, make a cluster with the user, password and database that the environment names. It gets its place
# only once it is whole: a start that was interrupted begins anew.
set -eu

if [ ! -d "$PGDATA" ]; then
    new="$PGDATA.new"
    rm -rf "$new"
    umask 077
    mkdir -p "$new"
    printf '%s' "${POSTGRES_PASSWORD:?must be set on the first start}" > /tmp/password
    initdb --pgdata "$new" --username "${POSTGRES_USER:=postgres}" --pwfile /tmp/password \
        --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
    rm /tmp/password
    echo "listen_addresses = '*'" >> "$new/postgresql.conf"
    echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
    pg_ctl --pgdata "$new" --wait --options "-c listen_addresses=''" start
    [ "${POSTGRES_DB:=$POSTGRES_USER}" = postgres ] || createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --pgdata "$new" --wait stop
    mv "$new" "$PGDATA"
fi
exec "$@"
