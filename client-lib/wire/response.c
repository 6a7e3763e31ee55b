/*
 * response: the answer to `fetch`, its encoder beside its decoder.
 *
 * The daemon writes every key; the library reads leniently, so that an older daemon's answer and a
 * newer one's are both understood: what is absent is zero or empty, what is unknown is passed over.
 */
#include "internal.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>

static void put_text(struct buffer *buffer, const char *key, struct wire_str text)
{
    wire_put_text(buffer, key);
    wire_put_str(buffer, text);
}

static void put_connection(struct buffer *buffer, const struct wire_connection *connection)
{
    wire_put_map(buffer, 5);
    wire_put_number(buffer, "id", connection->id);
    wire_put_text(buffer, "reused");
    wire_put_boolean(buffer, connection->is_reused);
    wire_put_number(buffer, "requests", connection->requests);
    wire_put_number(buffer, "age_ms", connection->age_ms);
    put_text(buffer, "peer", connection->peer);
}

void wire_put_timing(struct buffer *buffer, const struct fetchpool_timing *timing)
{
    wire_put_map(buffer, 6);
    wire_put_number(buffer, "queue", timing->queue_us);
    wire_put_number(buffer, "resolve", timing->resolve_us);
    wire_put_number(buffer, "connect", timing->connect_us);
    wire_put_number(buffer, "tls", timing->tls_us);
    wire_put_number(buffer, "first_byte", timing->first_byte_us);
    wire_put_number(buffer, "total", timing->total_us);
}

void wire_response_encode(struct buffer *buffer, uint32_t id, const struct wire_response *response)
{
    wire_put_result(buffer, id);
    wire_put_map(buffer, response->is_streamed ? 7 : 8);
    wire_put_number(buffer, "status", response->status);
    wire_put_text(buffer, "headers");
    wire_put_fields(buffer, response->fields, response->field_count);
    if (!response->is_streamed) {
        wire_put_text(buffer, "body");
        wire_put_bin(buffer, response->body);
    }
    put_text(buffer, "http", response->http);
    put_text(buffer, "url", response->url);
    wire_put_number(buffer, "redirects", response->redirects);
    wire_put_text(buffer, "connection");
    put_connection(buffer, &response->connection);
    wire_put_text(buffer, "timing");
    wire_put_timing(buffer, &response->timing);
}

uint64_t wire_number_in(const struct fetchpool_value *map, const char *key)
{
    uint64_t number = 0;
    value_as_unsigned(fetchpool_value_get(map, key), &number);
    return number;
}

static struct wire_str str_in(const struct fetchpool_value *map, const char *key)
{
    const struct fetchpool_value *value = fetchpool_value_get(map, key);
    const char *bytes = fetchpool_value_string(value);
    return (struct wire_str){bytes ? bytes : "", fetchpool_value_length(value)};
}

static struct wire_connection read_connection(const struct fetchpool_value *map)
{
    struct wire_connection connection = {
        .id = wire_number_in(map, "id"),
        .requests = wire_number_in(map, "requests"),
        .age_ms = wire_number_in(map, "age_ms"),
        .peer = str_in(map, "peer"),
    };
    value_as_boolean(fetchpool_value_get(map, "reused"), &connection.is_reused);
    return connection;
}

struct fetchpool_timing wire_read_timing(const struct fetchpool_value *map)
{
    return (struct fetchpool_timing){
        .queue_us = wire_number_in(map, "queue"),
        .resolve_us = wire_number_in(map, "resolve"),
        .connect_us = wire_number_in(map, "connect"),
        .tls_us = wire_number_in(map, "tls"),
        .first_byte_us = wire_number_in(map, "first_byte"),
        .total_us = wire_number_in(map, "total"),
    };
}

int wire_response_decode(struct wire_response *out_response, const struct fetchpool_value *result)
{
    uint64_t status;
    struct wire_why why;
    struct wire_field *fields = NULL;
    size_t count = 0;
    if (!value_as_unsigned(fetchpool_value_get(result, "status"), &status))
        return -EBADMSG;
    int error = wire_read_fields(&fields, &count, fetchpool_value_get(result, "headers"), &why);
    if (error < 0)
        return error == -ENOMEM ? error : -EBADMSG;
    *out_response = (struct wire_response){
        .status = status,
        .fields = fields,
        .field_count = count,
        .body = str_in(result, "body"),
        .is_streamed = !fetchpool_value_get(result, "body"),
        .http = str_in(result, "http"),
        .url = str_in(result, "url"),
        .redirects = wire_number_in(result, "redirects"),
        .connection = read_connection(fetchpool_value_get(result, "connection")),
        .timing = wire_read_timing(fetchpool_value_get(result, "timing")),
    };
    return 0;
}

void wire_response_finish(struct wire_response *response)
{
    free((void *)response->fields);
    response->fields = NULL;
    response->field_count = 0;
}
