# shellcheck shell=sh
# A stage for demo.sh and examples.sh: a private daemon and an HTTPS origin on this machine, in one
# temporary directory that goes when the script ends. To be sourced; POSIX sh.
#
#   stage_open                   makes $stage, the directory, and sees to its removal
#   stage_build                  builds a release; $build is where it is
#   stage_origin                 starts nginx (HTTP/2 over TLS); $origin is its URL, $authority its CA;
#                                $plain_origin is the same without TLS; it serves $stage/files
#                                and takes PUT /put/...
#   stage_daemon [CA-FILE]       starts fetchpoold; sets and exports FETCHPOOL_SOCKET
#
# Each says what failed and ends the script if it cannot.

root=$(cd "$(dirname "$0")" && while [ ! -f CMakePresets.json ] && [ "$PWD" != / ]; do cd ..; done; pwd)
stage=
children=

stage_die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

stage_close() {
    for child in $children; do
        kill "$child" 2>/dev/null || :
    done
    for child in $children; do
        wait "$child" 2>/dev/null || :
    done
    children=
    [ -z "$stage" ] || rm -rf "$stage"
    stage=
}

stage_open() {
    stage=$(mktemp -d "${TMPDIR:-/tmp}/fetchpool.XXXXXX") || stage_die "no temporary directory"
    trap stage_close EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Waits for `test "$@"`, 10 s at most, as long as the process $1 lives.
stage_await() {
    child=$1 what=$2 log=$3
    shift 3
    tries=500
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -0 "$child" 2>/dev/null; then
            cat "$log" >&2
            stage_die "$what did not start"
        fi
        sleep 0.02
    done
}

# A release of this tree, in $FETCHPOOL_BUILD or build/release. Where that belongs to somebody else,
# in a directory of the stage.
stage_build() {
    build=${FETCHPOOL_BUILD:-build/release}
    case $build in
    /*) ;;
    *) build=$root/$build ;;
    esac
    mkdir -p "$build" 2>/dev/null || :
    [ -w "$build" ] || build=$stage/build
    { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release &&
        cmake --build "$build" --parallel "$(nproc)"; } >"$stage/build.log" 2>&1 || {
        cat "$stage/build.log" >&2
        stage_die "the build failed"
    }
}

# openssl req with an EC key, quietly.
stage_openssl() {
    openssl "$@" 2>"$stage/openssl.log" || {
        cat "$stage/openssl.log" >&2
        stage_die "openssl $1 failed"
    }
}

stage_certificates() {
    authority=$stage/ca.pem
    key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    # shellcheck disable=SC2086
    stage_openssl req -x509 $key -keyout "$stage/ca.key" -out "$authority" -days 2 \
        -subj "/CN=fetchpool demo authority"
    # shellcheck disable=SC2086
    stage_openssl req $key -keyout "$stage/origin.key" -out "$stage/origin.csr" -subj /CN=localhost
    echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >"$stage/origin.ext"
    stage_openssl x509 -req -in "$stage/origin.csr" -CA "$authority" -CAkey "$stage/ca.key" \
        -set_serial 2 -days 2 -extfile "$stage/origin.ext" -out "$stage/origin.pem"
}

# A port below the kernel's range for clients on which nothing listens.
stage_port() {
    while :; do
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
        grep -qi "$(printf ':%04X ' "$port")" /proc/net/tcp || break
    done
    echo "$port"
}

stage_origin() {
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    stage_certificates
    port=$(stage_port)
    plain_port=$(stage_port)
    mkdir -p "$stage/files" "$stage/put"
    cat >"$stage/nginx.conf" <<EOF
daemon off;
master_process off;
pid $stage/nginx.pid;
error_log $stage/nginx.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $stage/nginx-body;
    proxy_temp_path $stage/nginx-proxy;
    fastcgi_temp_path $stage/nginx-fastcgi;
    uwsgi_temp_path $stage/nginx-uwsgi;
    scgi_temp_path $stage/nginx-scgi;
    default_type text/plain;
    keepalive_requests 1000000;
    server {
        listen 127.0.0.1:$port ssl http2;
        listen 127.0.0.1:$plain_port;
        ssl_certificate $stage/origin.pem;
        ssl_certificate_key $stage/origin.key;
        location / { return 200 "hello\n"; }
        location /files/ { root $stage; }
        location /put/ { root $stage; dav_methods PUT; client_max_body_size 0; }
    }
}
EOF
    "$nginx" -p "$stage" -c "$stage/nginx.conf" -e "$stage/nginx.log" \
        </dev/null >/dev/null 2>"$stage/nginx.err" &
    children="$children $!"
    stage_await $! nginx "$stage/nginx.err" test -s "$stage/nginx.pid"
    # shellcheck disable=SC2034 # for the script that sources this
    origin=https://localhost:$port plain_origin=http://localhost:$plain_port
}

stage_daemon() {
    : >"$stage/daemon.log"
    FETCHPOOL_SOCKET=$stage/socket
    export FETCHPOOL_SOCKET
    : >"$stage/fetchpool.conf"
    [ -z "${1:-}" ] || printf '[tls]\nca_file = %s\n' "$1" >"$stage/fetchpool.conf"
    "$build/fetchpoold" --config "$stage/fetchpool.conf" --socket "$FETCHPOOL_SOCKET" \
        </dev/null >/dev/null 2>>"$stage/daemon.log" &
    children="$children $!"
    stage_await $! fetchpoold "$stage/daemon.log" grep -q 'listening on' "$stage/daemon.log"
}
