/*
 * floor: the least that these requests cost with libcurl.
 *
 *     floor 1.1|2 CA-FILE REQUESTS-AT-ONCE WARM-UP-MS MS URL     by a loop that does nothing else
 *     floor 1.1|2 CA-FILE SOCKET URL                             for clients, until it is ended
 *
 * The former has no client: each transfer that is done begins again. No header and no body is kept.
 * It prints one line: see meter.h; the processor time is its own. The latter: see floor_clients.h.
 * Neither has a protocol, a limit or an account.
 */
#include "curl_loop.h"
#include "floor_clients.h"
#include "meter.h"

#include <stdio.h>
#include <stdlib.h>

struct transfer {
    CURL *easy;
    int64_t sent_ns;
};

static struct meter meter;

static void begin(struct transfer *transfer)
{
    transfer->sent_ns = meter_now_ns();
    curl_loop_begin(transfer->easy);
}

static bool on_done(CURL *easy, void *owner)
{
    (void)easy;
    struct transfer *transfer = owner;
    if (!meter_count(&meter, transfer->sent_ns))
        return false;
    begin(transfer);
    return true;
}

static void measure(char **argv)
{
    size_t count = (size_t)atol(argv[3]);
    struct transfer *transfers = calloc(count, sizeof(*transfers));
    if (!transfers)
        die("no memory");
    meter_watch(&meter, 0);
    curl_loop_init((long)count + 1);
    meter_start(&meter, atol(argv[4]), atol(argv[5]));
    for (size_t i = 0; i < count; i++) {
        transfers[i].easy = curl_loop_create_easy(argv[1], argv[2], argv[6], &transfers[i]);
        begin(&transfers[i]);
    }
    curl_loop_run(on_done);
    meter_print(&meter);
    for (size_t i = 0; i < count; i++)
        curl_loop_destroy_easy(transfers[i].easy);
    curl_loop_finish();
    free(transfers);
}

int main(int argc, char **argv)
{
    if (argc == 7) {
        measure(argv);
        return 0;
    }
    if (argc == 5)
        floor_clients_serve(argv[1], argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: floor 1.1|2 CA-FILE REQUESTS-AT-ONCE WARM-UP-MS MS URL\n"
                    "       floor 1.1|2 CA-FILE SOCKET URL\n");
    return 2;
}
