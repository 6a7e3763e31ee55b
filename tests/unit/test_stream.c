/* Notifications of streams: what one side writes the other reads, byte for byte; what is wrong is
 * named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "scanner.h"

/* A note and the message that its views look into. */
struct opened {
    struct wire_message message;
    struct wire_note note;
    struct wire_why why;
    int result;
};

static void open_bytes(struct opened *opened, const void *bytes, size_t length)
{
    *opened = (struct opened){0};
    assert_int_equal(wire_message_open(&opened->message, bytes, length, &opened->why), 0);
    assert_int_equal(opened->message.kind, WIRE_NOTIFICATION);
    opened->result = wire_note_decode(&opened->note, &opened->message, &opened->why);
}

static void close_note(struct opened *opened)
{
    wire_note_finish(&opened->note);
    wire_message_close(&opened->message);
}

static void assert_read(struct opened *opened, const struct buffer *buffer,
                        enum wire_note_kind kind, uint32_t id)
{
    assert_int_equal(buffer->error, 0);
    open_bytes(opened, buffer->data, buffer->length);
    assert_int_equal(opened->result, 0);
    assert_int_equal(opened->note.kind, kind);
    assert_int_equal(opened->note.id, id);
}

/* How each begins: an array of three, a notification, its name. */
#define DATA   "\x93\x02\244data"
#define END    "\x93\x02\243end"
#define WINDOW "\x93\x02\246window"
#define CANCEL "\x93\x02\246cancel"
#define ERROR  "\x93\x02\245error"
#define GOAWAY "\x93\x02\246goaway"

#define BYTES(literal) (literal), sizeof(literal) - 1

#define ASSERT_WRITTEN(buffer, literal)                                                            \
    do {                                                                                           \
        assert_int_equal((buffer).error, 0);                                                       \
        assert_int_equal((buffer).length, sizeof(literal) - 1);                                    \
        assert_memory_equal((buffer).data, literal, sizeof(literal) - 1);                          \
    } while (0)

static const uint32_t ids[] = {0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX};
#define IDS (sizeof ids / sizeof ids[0])

static struct buffer buffer_of(void)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    return buffer;
}

/* ---- data ----------------------------------------------------------------------------------- */

static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, WIRE_MAX_DATA_BYTES};

static void put_data(struct buffer *buffer, uint32_t id, size_t length)
{
    uint8_t head[WIRE_DATA_HEAD_BYTES];
    size_t head_length = wire_data_head(head, id, length);
    assert_true(head_length <= sizeof head);
    assert_int_equal(buffer_append(buffer, head, head_length), 0);
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)(i * 7 + id);
        assert_int_equal(buffer_append(buffer, &byte, 1), 0);
    }
}

static void a_data_of_every_length_and_id_comes_back_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < IDS * (sizeof lengths / sizeof lengths[0]); i++) {
        uint32_t id = ids[i % IDS];
        size_t length = lengths[i / IDS];
        struct opened opened;
        struct buffer buffer = buffer_of();
        put_data(&buffer, id, length);
        assert_read(&opened, &buffer, WIRE_NOTE_DATA, id);
        assert_int_equal(opened.note.bytes.length, length);
        for (size_t at = 0; at < length; at++)
            assert_int_equal((uint8_t)opened.note.bytes.data[at], (uint8_t)(at * 7 + id));
        close_note(&opened);
        buffer_finish(&buffer);
    }
}

static void the_head_of_a_data_is_what_the_page_shows(void **state)
{
    (void)state;
    struct buffer buffer = buffer_of();
    put_data(&buffer, 0, 2);
    ASSERT_WRITTEN(buffer, DATA "\x92\x00\xc4\x02\x00\x07");
    buffer_finish(&buffer);
}

static void the_bytes_of_a_data_may_come_as_str(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES(DATA "\x92\x05\xa3"
                                   "abc"));
    assert_int_equal(opened.result, 0);
    assert_int_equal(opened.note.id, 5);
    assert_true(wire_str_is(opened.note.bytes, "abc"));
    close_note(&opened);
}

static void a_data_of_a_byte_too_many_is_refused_with_its_length(void **state)
{
    (void)state;
    struct opened opened;
    struct buffer buffer = buffer_of();
    put_data(&buffer, 1, WIRE_MAX_DATA_BYTES + 1);
    open_bytes(&opened, buffer.data, buffer.length);
    assert_int_equal(opened.result, -EINVAL);
    assert_string_equal(opened.why.text,
                        "a data message has 65537 bytes; at most 65536 are allowed");
    wire_message_close(&opened.message);
    buffer_finish(&buffer);
}

/* Data of several streams, back to back, as a scanner cuts them: at any byte. */
static void data_messages_split_at_every_byte_are_read_once(void **state)
{
    (void)state;
    struct buffer buffer = buffer_of();
    struct scanner scanner;
    size_t begin = 0;
    uint32_t found = 0;
    for (uint32_t id = 0; id < 4; id++)
        put_data(&buffer, id, 100 + id);
    scanner_init(&scanner, 1 << 20, WIRE_MAX_MESSAGE_ELEMENTS);
    for (size_t i = 0; i < buffer.length; i++) {
        enum scan_result result;
        assert_int_equal(scanner_feed(&scanner, buffer.data + i, 1, &result), 1);
        if (result != SCAN_WHOLE)
            continue;
        struct opened opened;
        open_bytes(&opened, buffer.data + begin, i + 1 - begin);
        assert_int_equal(opened.note.id, found);
        assert_int_equal(opened.note.bytes.length, 100 + found);
        close_note(&opened);
        begin = i + 1;
        found++;
    }
    assert_int_equal(found, 4);
    assert_int_equal(begin, buffer.length);
    buffer_finish(&buffer);
}

/* ---- end ------------------------------------------------------------------------------------ */

static void an_end_comes_back_with_bytes_timing_and_trailers(void **state)
{
    (void)state;
    struct wire_field trailers[] = {{{"Digest", 6}, {"x", 1}}, {{"X-\xe9", 3}, {"", 0}}};
    struct wire_end sent = {
        .bytes = (uint64_t)1 << 40,
        .timing = {1, 2, 3, 4, 5, 6},
        .trailers = trailers,
        .trailer_count = 2,
    };
    struct opened opened;
    struct buffer buffer = buffer_of();
    wire_put_end(&buffer, 7, &sent);
    assert_read(&opened, &buffer, WIRE_NOTE_END, 7);
    const struct wire_end *got = &opened.note.end;
    assert_true(got->bytes == (uint64_t)1 << 40);
    assert_int_equal(got->timing.queue_us, 1);
    assert_int_equal(got->timing.resolve_us, 2);
    assert_int_equal(got->timing.connect_us, 3);
    assert_int_equal(got->timing.tls_us, 4);
    assert_int_equal(got->timing.first_byte_us, 5);
    assert_int_equal(got->timing.total_us, 6);
    assert_int_equal(got->trailer_count, 2);
    assert_true(wire_str_is(got->trailers[0].name, "Digest"));
    assert_true(wire_str_is(got->trailers[1].name, "X-\xe9")); /* no UTF-8: went as bin */
    assert_int_equal(got->trailers[1].value.length, 0);
    close_note(&opened);
    assert_null(opened.note.end.trailers);
    wire_note_finish(&opened.note); /* twice does no harm */
    buffer_finish(&buffer);
}

static void a_clients_end_is_an_empty_map(void **state)
{
    (void)state;
    struct opened opened;
    struct buffer buffer = buffer_of();
    wire_put_end(&buffer, 1, NULL);
    assert_read(&opened, &buffer, WIRE_NOTE_END, 1);
    assert_int_equal(opened.note.end.bytes, 0);
    assert_int_equal(opened.note.end.trailer_count, 0);
    close_note(&opened);
    buffer_finish(&buffer);
}

static void an_end_may_say_less_or_more_than_we_know(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES(END "\x91\x09")); /* no map at all */
    assert_int_equal(opened.result, 0);
    close_note(&opened);
    open_bytes(&opened, BYTES(END "\x92\x09\x90")); /* an empty array for an empty map */
    assert_int_equal(opened.result, 0);
    close_note(&opened);
    open_bytes(&opened, BYTES(END "\x92\x09\x82\xa5"
                                  "bytes\x03\xa3new\x01"));
    assert_int_equal(opened.result, 0);
    assert_int_equal(opened.note.end.bytes, 3);
    close_note(&opened);
}

static void trailers_that_are_no_fields_are_refused(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES(END "\x92\x09\x81\xa8trailers\x91\x01"));
    assert_int_equal(opened.result, -EINVAL);
    assert_non_null(strstr(opened.why.text, "name and a value"));
    wire_message_close(&opened.message);
}

/* ---- window, cancel, error, goaway ---------------------------------------------------------- */

static void a_window_of_any_size_comes_back_the_same(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 127, 128, 65536, WIRE_DEFAULT_WINDOW, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct opened opened;
        struct buffer buffer = buffer_of();
        wire_put_window(&buffer, UINT32_MAX, sizes[i]);
        assert_read(&opened, &buffer, WIRE_NOTE_WINDOW, UINT32_MAX);
        assert_true(opened.note.window == sizes[i]);
        close_note(&opened);
        buffer_finish(&buffer);
    }
}

static void a_cancel_is_an_id_alone(void **state)
{
    (void)state;
    struct opened opened;
    struct buffer buffer = buffer_of();
    wire_put_cancel(&buffer, 3);
    ASSERT_WRITTEN(buffer, CANCEL "\x91\x03");
    assert_read(&opened, &buffer, WIRE_NOTE_CANCEL, 3);
    close_note(&opened);
    buffer_finish(&buffer);
}

static void an_error_comes_back_with_its_code_and_its_sentence(void **state)
{
    (void)state;
    struct opened opened;
    struct buffer buffer = buffer_of();
    wire_put_stream_error(&buffer, 8, FETCHPOOL_TRUNCATED, "cut");
    assert_read(&opened, &buffer, WIRE_NOTE_ERROR, 8);
    assert_int_equal(opened.note.code, FETCHPOOL_TRUNCATED);
    assert_true(wire_str_is(opened.note.text, "cut"));
    close_note(&opened);
    buffer_finish(&buffer);
}

static void an_error_without_a_sentence_gets_one(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES(ERROR "\x92\x08\xcc\xca"));
    assert_int_equal(opened.result, 0);
    assert_int_equal(opened.note.code, 202);
    assert_true(opened.note.text.length > 0);
    close_note(&opened);
}

static void a_goaway_has_a_reason_and_no_id(void **state)
{
    (void)state;
    struct opened opened;
    struct buffer buffer = buffer_of();
    wire_put_goaway(&buffer, "it drains");
    assert_read(&opened, &buffer, WIRE_NOTE_GOAWAY, 0);
    assert_true(wire_str_is(opened.note.text, "it drains"));
    close_note(&opened);
    buffer_finish(&buffer);
    open_bytes(&opened, BYTES(GOAWAY "\x90"));
    assert_int_equal(opened.result, 0);
    assert_null(opened.note.text.data);
    close_note(&opened);
}

static void a_goaway_whose_reason_is_no_string_has_none(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES(GOAWAY "\x91\x92\x01\x02"));
    assert_int_equal(opened.result, 0);
    assert_null(opened.note.text.data);
    assert_int_equal(opened.note.text.length, 0);
    close_note(&opened);
}

/* ---- What is wrong -------------------------------------------------------------------------- */

static void a_notification_of_a_newer_protocol_is_passed_over_whatever_it_holds(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES("\x93\x02\xa5later\xc0"));
    assert_int_equal(opened.result, 0);
    assert_int_equal(opened.note.kind, WIRE_NOTE_UNKNOWN);
    close_note(&opened);
    open_bytes(&opened, BYTES("\x93\x02\xa0\x90"));
    assert_int_equal(opened.note.kind, WIRE_NOTE_UNKNOWN);
    close_note(&opened);
}

static void the_name_of_a_notification_is_compared_whole(void **state)
{
    (void)state;
    struct opened opened;
    open_bytes(&opened, BYTES("\x93\x02\xa3"
                              "dat\x92\x01\xa0"));
    assert_int_equal(opened.note.kind, WIRE_NOTE_UNKNOWN);
    close_note(&opened);
    open_bytes(&opened, BYTES("\x93\x02\xa5"
                              "datas\x92\x01\xa0"));
    assert_int_equal(opened.note.kind, WIRE_NOTE_UNKNOWN);
    close_note(&opened);
}

static const struct {
    const char *bytes;
    size_t length;
    const char *why;
} wrong[] = {
    {BYTES(DATA "\xc0"), "the params of data must be an array"},
    {BYTES(GOAWAY "\x80"), "the params of goaway must be an array"},
    {BYTES(DATA "\x90"), "data must name the id of a request"},
    {BYTES(CANCEL "\x91\xff"), "cancel must name the id of a request"},
    {BYTES(CANCEL "\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
     "cancel must name the id of a request"},
    {BYTES(WINDOW "\x92\xa1"
                  "1\x01"),
     "window must name the id of a request"},
    {BYTES(DATA "\x91\x01"), "the body of data must be bytes, not nil"},
    {BYTES(DATA "\x92\x01\x05"), "the body of data must be bytes, not an integer"},
    {BYTES(WINDOW "\x91\x01"), "the bytes of window must be an unsigned integer"},
    {BYTES(WINDOW "\x92\x01\xff"), "the bytes of window must be an unsigned integer"},
    {BYTES(WINDOW "\x92\x01\xca\x3f\x80\x00\x00"),
     "the bytes of window must be an unsigned integer"},
    {BYTES(ERROR "\x92\x01\x00"), "the code of error must be an unsigned integer"},
    {BYTES(ERROR "\x92\x01\xce\xff\xff\xff\xff"), "the code of error must be an unsigned integer"},
};

static void each_wrong_notification_is_refused_and_what_is_wrong_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct opened opened;
        open_bytes(&opened, wrong[i].bytes, wrong[i].length);
        assert_int_equal(opened.result, -EINVAL);
        if (strncmp(opened.why.text, wrong[i].why, strlen(wrong[i].why)) != 0)
            fail_msg("%s instead of %s", opened.why.text, wrong[i].why);
        wire_message_close(&opened.message);
    }
}

static void a_refused_notification_leaves_the_output_untouched(void **state)
{
    (void)state;
    struct wire_message message;
    struct wire_why why;
    struct wire_note note = {.kind = WIRE_NOTE_CANCEL, .id = 77};
    static const char bytes[] = WINDOW "\x92\x01\xff";
    assert_int_equal(wire_message_open(&message, (const uint8_t *)bytes, sizeof bytes - 1, &why),
                     0);
    assert_int_equal(wire_note_decode(&note, &message, &why), -EINVAL);
    assert_int_equal(note.kind, WIRE_NOTE_CANCEL);
    assert_int_equal(note.id, 77);
    wire_message_close(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_of_every_length_and_id_comes_back_the_same),
        cmocka_unit_test(the_head_of_a_data_is_what_the_page_shows),
        cmocka_unit_test(the_bytes_of_a_data_may_come_as_str),
        cmocka_unit_test(a_data_of_a_byte_too_many_is_refused_with_its_length),
        cmocka_unit_test(data_messages_split_at_every_byte_are_read_once),
        cmocka_unit_test(an_end_comes_back_with_bytes_timing_and_trailers),
        cmocka_unit_test(a_clients_end_is_an_empty_map),
        cmocka_unit_test(an_end_may_say_less_or_more_than_we_know),
        cmocka_unit_test(trailers_that_are_no_fields_are_refused),
        cmocka_unit_test(a_window_of_any_size_comes_back_the_same),
        cmocka_unit_test(a_cancel_is_an_id_alone),
        cmocka_unit_test(an_error_comes_back_with_its_code_and_its_sentence),
        cmocka_unit_test(an_error_without_a_sentence_gets_one),
        cmocka_unit_test(a_goaway_has_a_reason_and_no_id),
        cmocka_unit_test(a_goaway_whose_reason_is_no_string_has_none),
        cmocka_unit_test(a_notification_of_a_newer_protocol_is_passed_over_whatever_it_holds),
        cmocka_unit_test(the_name_of_a_notification_is_compared_whole),
        cmocka_unit_test(each_wrong_notification_is_refused_and_what_is_wrong_is_named),
        cmocka_unit_test(a_refused_notification_leaves_the_output_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
