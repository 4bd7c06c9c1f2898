#!/bin/sh
# Becomes Debian's Prometheus, without what it does not know.
for argument; do
    shift
    [ "$argument" = --web.enable-otlp-receiver ] || set -- "$@" "$argument"
done
exec /usr/bin/prometheus "$@"
