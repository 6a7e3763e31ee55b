/* credential: see credential.h. */
#include "credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "request_field.h"
#include "url.h"

struct credential {
    char *origin;
    struct field_list fields;
};

struct credential_table {
    struct credential *items;
    size_t count;
};

/* ---- Files ---------------------------------------------------------------------------------- */

static int refuse(struct wire_why *why, const struct config_header *header, const char *reason)
{
    return wire_why_set(why, "header %s: %s: %s", header->name, header->file_path, reason);
}

static void warn_of_readers(int fd, const char *path)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && (status.st_mode & S_IROTH))
        log_write(LOG_LEVEL_WARNING, "%s holds a credential, and everybody can read it", path);
}

/* As much as fits. Its length, or a negative errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t result = read(fd, buffer + length, size - length);
        if (result < 0 && errno == EINTR)
            continue;
        if (result < 0)
            return -errno;
        if (result == 0)
            break;
        length += (size_t)result;
    }
    return (ssize_t)length;
}

/* The content of the header's file behind what is in the buffer, without the line ends that close
 * it. `*length` is that of both. */
static int append_file(char *buffer, size_t size, size_t *length,
                       const struct config_header *header, struct wire_why *why)
{
    int fd = open(header->file_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return refuse(why, header, strerror(errno));
    warn_of_readers(fd, header->file_path);
    ssize_t result = read_all(fd, buffer + *length, size - *length);
    close(fd);
    if (result < 0)
        return refuse(why, header, strerror((int)-result));
    if ((size_t)result == size - *length)
        return refuse(why, header, "it is too large");
    size_t end = *length + (size_t)result;
    while (end > *length && (buffer[end - 1] == '\n' || buffer[end - 1] == '\r'))
        end--;
    if (end == *length)
        return refuse(why, header, "it is empty");
    *length = end;
    return 0;
}

/* ---- Fields --------------------------------------------------------------------------------- */

/* What would end the line of a request is no credential. */
static int check(const char *value, size_t length, const struct config_header *header,
                 struct wire_why *why)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return wire_why_set(why, "header %s: %s: byte 0x%02x at position %zu of the value",
                                header->name, header->file_path ? header->file_path : "", byte, i);
    }
    return 0;
}

static int add_field(struct credential *credential, const struct config_header *header,
                     char *buffer, size_t size, struct wire_why *why)
{
    size_t length = strlen(header->text);
    if (length >= size)
        return wire_why_set(why, "header %s: its value is too large", header->name);
    memcpy(buffer, header->text, length);
    int result = header->file_path ? append_file(buffer, size, &length, header, why) : 0;
    if (result == 0)
        result = check(buffer, length, header, why);
    struct wire_str value = {.data = buffer, .length = length};
    if (result == 0 && request_field_binds_connection(wire_str_of(header->name), value))
        result = wire_why_set(why,
                              "header %s: such credentials hold for a connection, and those are "
                              "shared",
                              header->name);
    if (result == 0)
        result = field_list_add(&credential->fields, wire_str_of(header->name), value);
    if (result == -EMSGSIZE)
        return wire_why_set(why, "header %s: all together are too large", header->name);
    return result;
}

static int add_fields(struct credential *credential, const struct config_origin *origin,
                      struct wire_why *why)
{
    char buffer[CREDENTIAL_MOST_BYTES];
    int result = 0;
    for (size_t i = 0; result == 0 && i < origin->header_count; i++)
        result = add_field(credential, &origin->headers[i], buffer, sizeof buffer, why);
    explicit_bzero(buffer, sizeof buffer);
    return result;
}

/* Who sets a credential up wants somebody to get it. */
static void warn_of_no_user(const struct config *config, const struct url *url)
{
    struct url_rule_subject subject = {.is_tls = url->is_tls, .host = url->host, .port = url->port};
    for (size_t i = 0; i < config->policy_count; i++) {
        if (url_rule_list_find(&config->policies[i].credentials, &subject))
            return;
    }
    struct log_about about = {.origin = url->origin};
    log_write_about(LOG_LEVEL_WARNING, &about,
                    "[origin \"%s\"] has a header, and no [policy] has it in its "
                    "credentials: nobody gets it",
                    url->origin);
}

/* The name of the origin as requests have it. */
static int name_origin(struct credential *credential, const struct config *config,
                       const char *written, struct wire_why *why)
{
    struct url url;
    int result = url_parse(&url, wire_str_of(written), config->max_url_bytes, why);
    if (result < 0)
        return result;
    warn_of_no_user(config, &url);
    credential->origin = strdup(url.origin);
    url_finish(&url);
    return credential->origin ? 0 : -ENOMEM;
}

static int add_origin(struct credential_table *table, const struct config *config,
                      const struct config_origin *origin, struct wire_why *why)
{
    struct wire_why reason;
    struct credential *credential = &table->items[table->count++];
    field_list_init(&credential->fields, config->max_header_bytes);
    credential->fields.text.is_secret = true;
    int result = name_origin(credential, config, origin->name, &reason);
    if (result == 0)
        result = add_fields(credential, origin, &reason);
    if (result == -EINVAL)
        wire_why_set(why, "[origin \"%s\"] %s", origin->name, reason.text);
    return result;
}

/* ---- The table ------------------------------------------------------------------------------ */

int credential_table_read(struct credential_table **out_table, const struct config *config,
                          struct wire_why *why)
{
    struct credential_table *table = calloc(1, sizeof *table);
    wire_why_set(why, "the daemon is out of memory");
    if (!table)
        return -ENOMEM;
    table->items = calloc(config->origin_count + 1, sizeof *table->items);
    int result = table->items ? 0 : -ENOMEM;
    for (size_t i = 0; result == 0 && i < config->origin_count; i++) {
        if (config->origins[i].header_count > 0)
            result = add_origin(table, config, &config->origins[i], why);
    }
    if (result < 0)
        credential_table_destroy(table);
    else
        *out_table = table;
    return result;
}

void credential_table_destroy(struct credential_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++) {
        field_list_finish(&table->items[i].fields); /* wipes them */
        free(table->items[i].origin);
    }
    free(table->items);
    free(table);
}

const struct field_list *credential_find(const struct credential_table *table, const char *origin)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->items[i].origin, origin) == 0)
            return &table->items[i].fields;
    }
    return NULL;
}
