/* admin: see admin.h. */
#include "admin.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "character.h"

/* A text as it is, but for what could steer a terminal. */
static void put_text(struct buffer *out, const struct fetchpool_value *value)
{
    const char *bytes = fetchpool_value_string(value);
    character_put_all(out, bytes, bytes ? fetchpool_value_length(value) : 0);
}

/* ---- config ---------------------------------------------------------------------------------- */

/* A key that has no value is shown in the manner of the file that is installed. */
static void put_key(struct buffer *out, const struct fetchpool_value *key,
                    const struct fetchpool_value *text)
{
    bool has_text = fetchpool_value_length(text) > 0;
    buffer_append_text(out, has_text ? "" : "; ");
    put_text(out, key);
    buffer_append_text(out, has_text ? " = " : " =");
    put_text(out, text);
    buffer_append_text(out, "\n");
}

/* One that may be given often has a list of values, and a line for each. */
static void put_keys(struct buffer *out, const struct fetchpool_value *key,
                     const struct fetchpool_value *value)
{
    if (fetchpool_value_type(value) != FETCHPOOL_ARRAY || fetchpool_value_length(value) == 0) {
        put_key(out, key, value);
        return;
    }
    for (size_t i = 0; i < fetchpool_value_length(value) && out->error == 0; i++)
        put_key(out, key, fetchpool_value_at(value, i));
}

static void put_section(struct buffer *out, const struct fetchpool_value *name,
                        const struct fetchpool_value *keys)
{
    buffer_append_text(out, "[");
    put_text(out, name);
    buffer_append_text(out, "]\n");
    for (size_t i = 0; i < fetchpool_value_length(keys) && out->error == 0; i++)
        put_keys(out, fetchpool_value_key_at(keys, i), fetchpool_value_at(keys, i));
}

/* As the file would be that says the same. */
static void render_config(const void *ctx, struct buffer *out, const struct fetchpool_value *answer)
{
    (void)ctx;
    for (size_t i = 0; i < fetchpool_value_length(answer) && out->error == 0; i++) {
        if (i > 0)
            buffer_append_text(out, "\n");
        put_section(out, fetchpool_value_key_at(answer, i), fetchpool_value_at(answer, i));
    }
}

/* ---- reload ---------------------------------------------------------------------------------- */

static void put_lines(struct buffer *out, const struct fetchpool_value *texts, const char *prefix)
{
    for (size_t i = 0; i < fetchpool_value_length(texts) && out->error == 0; i++) {
        buffer_append_text(out, prefix);
        put_text(out, fetchpool_value_at(texts, i));
        buffer_append_text(out, "\n");
    }
}

static void render_reload(const void *ctx, struct buffer *out, const struct fetchpool_value *answer)
{
    const struct fetchpool_value *changed = fetchpool_value_get(answer, "changed");
    const struct fetchpool_value *restart = fetchpool_value_get(answer, "restart");
    (void)ctx;
    put_lines(out, changed, "");
    put_lines(out, restart, "needs a restart: ");
    if (fetchpool_value_length(changed) == 0 && fetchpool_value_length(restart) == 0)
        buffer_append_text(out, "nothing has changed\n");
}

/* ---- drain ----------------------------------------------------------------------------------- */

static void render_drain(const void *ctx, struct buffer *out, const struct fetchpool_value *answer)
{
    int64_t in_flight = fetchpool_value_integer(fetchpool_value_get(answer, "in_flight"));
    int64_t timeout_ms = fetchpool_value_integer(fetchpool_value_get(answer, "timeout_ms"));
    (void)ctx;
    buffer_append_format(out, "shutting down: up to %lld ms for %lld requests\n",
                         (long long)timeout_ms, (long long)in_flight);
}

report_render admin_render_of(const char *subject)
{
    static const struct {
        const char *subject;
        report_render render;
    } renders[] = {
        {"config", render_config},
        {"reload", render_reload},
        {"drain", render_drain},
    };
    for (size_t i = 0; i < sizeof renders / sizeof renders[0]; i++) {
        if (strcmp(subject, renders[i].subject) == 0)
            return renders[i].render;
    }
    return NULL;
}
