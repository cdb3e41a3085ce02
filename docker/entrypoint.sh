#!/bin/sh
# Serves on every address of the container; what reaches it is decided by `docker run -p`.
# With FACECLI_TOKEN in the environment the token is asked for (facecli reads it there itself, so that
# it stands in no list of processes). Without one, whoever reaches the published port may use it, by an
# address or a name of this machine; `--allow-host NAME` behind the image's name adds a name.
set -eu
case " ${FACECLI_TOKEN:+--token} $* " in
  *" --token"*) ;;
  *)
    echo "warning: no FACECLI_TOKEN: everybody who reaches this port may use it;" \
      "publish it as -p 127.0.0.1:5000:5000, or set -e FACECLI_TOKEN=..." >&2
    set -- --insecure "$@"
    ;;
esac
exec facecli serve --host 0.0.0.0 --port "${FACECLI_PORT:-5000}" "$@"
