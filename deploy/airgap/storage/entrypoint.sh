#!/bin/sh
# The folders below /data are the buckets. Keys go through the environment, where other users do not see them.
set -eu
mkdir -p "/data/${S3_BUCKET:?name the bucket}"
RCLONE_AUTH_KEY="\"${AWS_ACCESS_KEY_ID:?},${AWS_SECRET_ACCESS_KEY:?}\""
export RCLONE_AUTH_KEY
exec rclone serve s3 --config '' --cache-dir /tmp --addr :8333 /data
