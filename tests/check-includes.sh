#!/bin/sh
# Holds the code against the picture of it: who may include whom in daemon/ (floors, from the
# ground up; a file includes only floors below its own, or its own parts), and where <uv.h>,
# <curl/curl.h> and <msgpack.h> may appear. README's reading order shows the same floors.
set -eu
cd "$(dirname "$0")/.."

# A line is a floor; a room is all files that begin with its name: "pool" is pool.[ch] and
# pool_*.[ch]. Rooms of one floor do not know each other.
floors='
log nearest stats url url_rule network field_list loop_meter console socket_path framer byte_queue stall memory_keeper crew admission histogram idle_limit breaker retry_budget request_limit request_field
config offence access listener conn origin supervisor
policy credential
request descriptors
pool
transfer dispatch
fetch
report metrics warm
session
server
options check
main
'
uv_rooms='stall memory_keeper listener conn pool transfer dispatch fetch warm loop_meter session server supervisor'
curl_rooms='pool transfer url'

failed=0
complain() { echo "check-includes: $*" >&2; failed=1; }

# The room of a file: the longest room name that its name begins with.
room_of() {
    best=
    for room in $floors; do
        case $1 in
            "$room" | "$room"_*) [ ${#room} -gt ${#best} ] && best=$room ;;
        esac
    done
    echo "$best"
}

floor_of() {
    echo "$floors" | awk -v room="$1" '{ for (i = 1; i <= NF; i++) if ($i == room) print NR }'
}

is_in() { case " $2 " in *" $1 "*) return 0 ;; esac; return 1; }

for file in daemon/*.[ch]; do
    name=$(basename "$file" | sed 's/\.[ch]$//')
    room=$(room_of "$name")
    [ -n "$room" ] || { complain "$file belongs to no room"; continue; }
    for included in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$file"); do
        [ -e "daemon/$included.h" ] || continue # shared with clients: below everything
        other=$(room_of "$included")
        [ "$other" = "$room" ] && continue
        [ "$(floor_of "$other")" -lt "$(floor_of "$room")" ] ||
            complain "$file includes $included.h, which is not below it"
    done
    ! grep -q '^#include <uv.h>' "$file" || is_in "$room" "$uv_rooms" ||
        complain "$file includes <uv.h>: no I/O belongs there"
    ! grep -q '^#include <curl/' "$file" || is_in "$room" "$curl_rooms" ||
        complain "$file includes libcurl"
    ! grep -q '^#include <msgpack' "$file" || complain "$file includes msgpack-c"
done

for file in client-lib/*.[ch] client-lib/cli/*.[ch] include/*.h; do
    ! grep -q '^#include <\(msgpack\|uv\|curl/\)' "$file" || complain "$file includes a foreign header"
done
for file in client-lib/wire/*.[ch]; do
    ! grep -q '^#include <\(uv\|curl/\|sys/socket\)' "$file" || complain "$file does I/O"
done
for file in client-lib/*.[ch] client-lib/wire/*.[ch] client-lib/cli/*.[ch]; do
    for included in $(sed -n 's/^#include "\(.*\.h\)"$/\1/p' "$file"); do
        case $file in
            client-lib/cli/*) [ ! -e "client-lib/$included" ] ||
                complain "$file includes $included: the command uses the public header only" ;;
            client-lib/wire/*) [ ! -e "client-lib/$included" ] ||
                complain "$file includes $included, which is not below it" ;;
        esac
    done
done
grep -hE '^#include' include/fetchpool.h | grep -vqE '<(stddef|stdint|stdio)\.h>' &&
    complain "include/fetchpool.h includes more than libc's types"
[ "$failed" = 0 ] && echo "check-includes: every include points down"
exit "$failed"
