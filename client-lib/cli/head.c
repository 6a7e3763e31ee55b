/* head: see head.h. The reason phrase of HTTP/1.1 is not passed on by the daemon; HTTP/2 has none.
 */
#include "head.h"

void head_render(struct buffer *buffer, const struct fetchpool_response *response)
{
    buffer_append_format(buffer, "HTTP/%s %d \r\n", fetchpool_http_version(response),
                         fetchpool_status(response));
    for (size_t i = 0; i < fetchpool_header_count(response); i++) {
        buffer_append_text(buffer, fetchpool_header_name(response, i));
        buffer_append_text(buffer, ": ");
        buffer_append_text(buffer, fetchpool_header_value(response, i));
        buffer_append_text(buffer, "\r\n");
    }
    buffer_append_text(buffer, "\r\n");
}
