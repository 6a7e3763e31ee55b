/* Bytes from a daemon, as the library and the tables treat them. */
#include <stdint.h>
#include <stdlib.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "scanner.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct scanner scanner;
    enum scan_result result = SCAN_MORE;
    struct wire_message message;
    struct wire_response response;
    struct wire_why why;
    struct wire_str text;
    struct buffer out;
    int code;
    scanner_init(&scanner, 1 << 20, WIRE_MAX_REPLY_ELEMENTS);
    size_t used = scanner_feed(&scanner, bytes, length, &result);
    if (result != SCAN_WHOLE || wire_message_open(&message, bytes, used, &why) < 0)
        return 0;
    wire_error_read(message.error, &code, &text);
    if (code == 0 || !text.data)
        abort();
    if (wire_response_decode(&response, message.result) == 0)
        wire_response_finish(&response);
    buffer_init(&out, 1 << 20);
    table_render(&out, message.result);
    for (size_t i = 0; i < out.length; i++) {
        if (out.data[i] < 0x20 && out.data[i] != '\n')
            abort();
    }
    buffer_finish(&out);
    wire_message_close(&message);
    return 0;
}
