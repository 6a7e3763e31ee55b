/* console: see console.h. */
#include "console.h"

#include <string.h>
#include <strings.h>

#include "table.h"

/* The words that fetch; the rest of the methods have bodies, which a line has no room for. */
static const char *const fetch_words[] = {"GET", "HEAD", "OPTIONS", "DELETE", NULL};
static const char *const query_words[] = {"ping",    "stats",   "connections",
                                          "origins", "clients", NULL};
static const char *const admin_words[] = {"config", "reload", "drain", NULL};

static const char help[] =
    "GET URL        fetch it; the answer as `curl -i` shows it\n"
    "HEAD URL       its header fields (also OPTIONS URL, DELETE URL)\n"
    "check URL      whether a policy denies it; nothing is sent\n"
    "ping           is the daemon there?\n"
    "stats          its counters, a name and a value a line\n"
    "connections    the connections in the pool\n"
    "origins        how each origin fares: its queue, reuse, errors, times\n"
    "clients        who is connected to the daemon\n"
    "GET /metrics   its counters in Prometheus' format; also over HTTP\n"
    "config         the configuration in force (root and the daemon's user)\n"
    "reload         reads the configuration again (the same)\n"
    "drain          ends the daemon when what runs has ended (the same)\n"
    "help           this\n"
    "quit           close this connection\n";

/* The next word of the line, without the spaces around it; empty at its end. */
static struct wire_str next_word(struct wire_str *line)
{
    while (line->length > 0 && (line->data[0] == ' ' || line->data[0] == '\t')) {
        line->data++;
        line->length--;
    }
    struct wire_str word = {line->data, 0};
    while (word.length < line->length && line->data[word.length] != ' ' &&
           line->data[word.length] != '\t')
        word.length++;
    line->data += word.length;
    line->length -= word.length;
    return word;
}

static const char *find_word(struct wire_str word, const char *const *words)
{
    for (; *words; words++) {
        if (strlen(*words) == word.length && strncasecmp(*words, word.data, word.length) == 0)
            return *words;
    }
    return NULL;
}

static bool is_word(struct wire_str word, const char *text)
{
    return find_word(word, (const char *const[]){text, NULL}) != NULL;
}

static void wrong(struct console_command *command, const char *sentence, struct wire_str word)
{
    command->action = CONSOLE_WRONG;
    wire_why_set(&command->why, sentence, (int)(word.length < 60 ? word.length : 60), word.data);
}

static void parse_fetch(struct console_command *command, enum console_action action,
                        struct wire_str *line)
{
    command->action = action;
    command->url = next_word(line);
    if (command->url.length == 0)
        wrong(command, "a URL is missing behind %.*s", wire_str_of(command->method));
    else if (strcmp(command->method, "GET") == 0 && wire_str_is(command->url, "/metrics"))
        command->action = CONSOLE_METRICS; /* no URL that could be fetched begins so */
}

void console_parse(struct console_command *out_command, const char *line, size_t length)
{
    struct wire_str rest = {line, length};
    struct wire_str word = next_word(&rest);
    *out_command = (struct console_command){.action = CONSOLE_QUERY};
    if (word.length == 0)
        out_command->action = CONSOLE_NOTHING;
    else if ((out_command->method = find_word(word, fetch_words)))
        parse_fetch(out_command, CONSOLE_FETCH, &rest);
    else if ((out_command->method = find_word(word, (const char *const[]){"check", NULL})))
        parse_fetch(out_command, CONSOLE_CHECK, &rest);
    else if ((out_command->method = find_word(word, admin_words)))
        out_command->action = CONSOLE_ADMIN;
    else if (is_word(word, "help"))
        out_command->action = CONSOLE_HELP;
    else if (is_word(word, "quit"))
        out_command->action = CONSOLE_QUIT;
    else if (!(out_command->method = find_word(word, query_words)))
        wrong(out_command, "unknown command \"%.*s\"; try help", word);
    struct wire_str extra = next_word(&rest);
    if (extra.length > 0 && out_command->action != CONSOLE_WRONG)
        wrong(out_command, "\"%.*s\" is too much on this line", extra);
}

void console_write_help(struct buffer *out)
{
    buffer_append_text(out, help);
}

void console_write_error(struct buffer *out, int code, const char *message)
{
    if (code == 0)
        buffer_append_format(out, "error: %s\n", message);
    else
        buffer_append_format(out, "error: %d %s: %s\n", code, fetchpool_code_name(code), message);
}

void console_write_response(struct buffer *out, const struct wire_response *response)
{
    buffer_append_format(out, "HTTP/%.*s %u \r\n", WIRE_STR(response->http),
                         (unsigned)response->status);
    for (size_t i = 0; i < response->field_count; i++) {
        buffer_append(out, response->fields[i].name.data, response->fields[i].name.length);
        buffer_append_text(out, ": ");
        buffer_append(out, response->fields[i].value.data, response->fields[i].value.length);
        buffer_append_text(out, "\r\n");
    }
    buffer_append_text(out, "\r\n");
    buffer_append(out, response->body.data, response->body.length);
}

void console_write_result(struct buffer *out, const uint8_t *bytes, size_t length)
{
    struct wire_message message;
    struct wire_why why;
    if (wire_message_open(&message, bytes, length, &why) < 0) {
        console_write_error(out, 0, "the daemon is out of memory");
        return;
    }
    table_render(out, message.result);
    wire_message_close(&message);
}
