/* Bytes from a client, as a conn and a session treat them: scanner, envelope, decoder, checks. */
#include <stdint.h>
#include <stdlib.h>

#include "config.h"
#include "fetchpool_wire.h"
#include "request.h"
#include "scanner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct config *defaults(void)
{
    static struct config config;
    if (config.max_url_bytes == 0 && config_init(&config) < 0)
        abort();
    return &config;
}

static void decode(const uint8_t *bytes, size_t length)
{
    struct wire_message message;
    struct wire_fetch fetch;
    struct wire_hello hello;
    struct wire_why why;
    struct request *request;
    if (wire_message_open(&message, bytes, length, &why) < 0)
        return;
    if (wire_hello_decode(&hello, message.params, &why) == 0)
        (void)hello;
    if (wire_fetch_decode(&fetch, message.params, &why) == 0) {
        if (request_create(&request, &fetch, defaults(), NULL, &why) == 0)
            request_destroy(request);
        wire_fetch_finish(&fetch);
    }
    wire_message_close(&message);
}

/* The scanner must find the same ends whether it is fed at once or byte by byte. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct scanner whole, single;
    enum scan_result result = SCAN_MORE, step = SCAN_MORE;
    size_t at = 0;
    scanner_init(&whole, 1 << 16, WIRE_MAX_MESSAGE_ELEMENTS);
    scanner_init(&single, 1 << 16, WIRE_MAX_MESSAGE_ELEMENTS);
    while (at < length) {
        size_t used = scanner_feed(&whole, bytes + at, length - at, &result);
        for (size_t i = 0; i < used; i++) {
            if (scanner_feed(&single, bytes + at + i, 1, &step) != 1 ||
                (i + 1 < used && step != SCAN_MORE))
                abort();
        }
        if (used > 0 && step != result)
            abort();
        if (result != SCAN_WHOLE)
            break;
        decode(bytes + at, used);
        at += used;
    }
    return 0;
}
