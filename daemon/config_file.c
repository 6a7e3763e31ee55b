/* config_file: reads a configuration file over the defaults; see config.h. */
#include "config_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ini.h>

#include "config_value.h"

struct reading {
    struct config config;
    FILE *file;
    char section_line[512]; /* that began the section */
    bool *seen;             /* one for each key: inih would let a second value win in silence */
    bool (*origins_seen)[CONFIG_ORIGIN_KEYS_MOST]; /* the same for each origin */
    int result;
    char reason[400]; /* of the first error */
};

static int fail(struct reading *reading, int result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns 0, which tells inih that the line is wrong. */
static int fail(struct reading *reading, int result, const char *format, ...)
{
    if (reading->result == 0) {
        va_list values;
        va_start(values, format);
        vsnprintf(reading->reason, sizeof reading->reason, format, values);
        va_end(values);
        reading->result = result;
    }
    return 0;
}

static void append_name(char *list, size_t size, const char *name)
{
    size_t length = strlen(list);
    if (length < size)
        snprintf(list + length, size - length, "%s%s", length ? ", " : "", name);
}

static int fail_unknown(struct reading *reading, const char *section, const char *name)
{
    char sections[120] = "", keys[400] = "";
    const char *last = "";
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(last, config_keys[i].section) != 0)
            append_name(sections, sizeof sections, last = config_keys[i].section);
        if (strcmp(section, config_keys[i].section) == 0)
            append_name(keys, sizeof keys, config_keys[i].name);
    }
    append_name(sections, sizeof sections, "origin \"https://HOST\"");
    if (!section[0])
        return fail(reading, -EINVAL, "\"%.60s\" stands before any section; expected one of [%s]",
                    name, sections);
    if (keys[0])
        return fail(reading, -EINVAL, "unknown key \"%.60s\" in [%s]; expected one of %s", name,
                    section, keys);
    return fail(reading, -EINVAL, "unknown section [%.60s]; expected one of %s", section, sections);
}

static int fail_range(struct reading *reading, const struct config_key *key, const char *text)
{
    char least[32], most[32];
    config_value_print(least, sizeof least, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->least);
    config_value_print(most, sizeof most, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->most);
    return fail(reading, -EINVAL, "[%s] %s = %.60s: expected %s to %s", key->section, key->name,
                text, least, most);
}

/* `record`: what the key is a member of; `seen`: whether it has been given. */
static int take_key(struct reading *reading, void *record, const struct config_key *key, bool *seen,
                    const char *text)
{
    if (*seen)
        return fail(reading, -EINVAL, "[%s] %s is given twice", key->section, key->name);
    *seen = true;
    switch (config_set_value(record, key, text)) {
    case 0:
        return 1;
    case -ENOMEM:
        return fail(reading, -ENOMEM, "out of memory");
    case -ERANGE:
        return fail_range(reading, key, text);
    default:
        return fail(reading, -EINVAL, "[%s] %s = %.60s: expected %s", key->section, key->name, text,
                    config_type_description(key->type));
    }
}

/* ---- Sections of origins --------------------------------------------------------------------- */

#define ORIGIN_PREFIX "[origin \""

/*
 * The name in the line that began this section, [origin "https://example.com"], if it is one. inih
 * cuts section names at 49 bytes (its MAX_SECTION), so the line itself is looked at.
 */
static bool get_origin(const struct reading *reading, char *out_name, size_t size)
{
    const char *begin = strstr(reading->section_line, ORIGIN_PREFIX);
    const char *end = begin ? strstr(begin + sizeof ORIGIN_PREFIX - 1, "\"]") : NULL;
    if (!end)
        return false;
    begin += sizeof ORIGIN_PREFIX - 1;
    if ((size_t)(end - begin) >= size)
        return false;
    memcpy(out_name, begin, (size_t)(end - begin));
    out_name[end - begin] = '\0';
    return config_value_is_origin(out_name);
}

static struct config_origin *find_origin(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->origin_count; i++) {
        if (strcasecmp(config->origins[i].name, name) == 0)
            return &config->origins[i];
    }
    return NULL;
}

static struct config_origin *add_origin(struct reading *reading, const char *name)
{
    struct config *config = &reading->config;
    size_t count = config->origin_count;
    struct config_origin *origins = reallocarray(config->origins, count + 1, sizeof *origins);
    bool(*seen)[CONFIG_ORIGIN_KEYS_MOST] = reallocarray(reading->origins_seen, count + 1,
                                                        sizeof *seen);
    config->origins = origins ? origins : config->origins;
    reading->origins_seen = seen ? seen : reading->origins_seen;
    char *copy = origins && seen ? strdup(name) : NULL;
    if (!copy)
        return NULL;
    memset(seen[count], 0, sizeof seen[count]);
    origins[count] = (struct config_origin){.name = copy};
    config->origin_count++;
    if (config_set_presets(&origins[count], config_origin_keys, config_origin_key_count) < 0)
        return NULL;
    return &origins[count];
}

static int take_origin_key(struct reading *reading, const char *origin_name, const char *name,
                           const char *text)
{
    struct config_origin *origin = find_origin(&reading->config, origin_name);
    if (!origin)
        origin = add_origin(reading, origin_name);
    if (!origin)
        return fail(reading, -ENOMEM, "out of memory");
    bool *seen = reading->origins_seen[origin - reading->config.origins];
    for (size_t i = 0; i < config_origin_key_count; i++) {
        if (strcmp(name, config_origin_keys[i].name) == 0)
            return take_key(reading, origin, &config_origin_keys[i], &seen[i], text);
    }
    return fail(reading, -EINVAL,
                "unknown key \"%.60s\" in [origin]; expected one of warm, warm_path", name);
}

/* ---- File ----------------------------------------------------------------------------------- */

static int on_line(void *user, const char *section, const char *name, const char *text)
{
    struct reading *reading = user;
    char origin[300];
    bool is_origin = strncmp(section, "origin", 6) == 0;
    if (is_origin && get_origin(reading, origin, sizeof origin))
        return take_origin_key(reading, origin, name, text);
    if (is_origin)
        return fail(reading, -EINVAL,
                    "[%.60s]: expected [origin \"https://HOST\"] with scheme, host and, if need "
                    "be, port, and nothing behind "
                    "them",
                    section);
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(section, config_keys[i].section) == 0 && strcmp(name, config_keys[i].name) == 0)
            return take_key(reading, &reading->config, &config_keys[i], &reading->seen[i], text);
    }
    return fail_unknown(reading, section, name);
}

/* As fgets(); keeps the lines that begin sections. */
static char *read_line(char *buffer, int size, void *stream)
{
    struct reading *reading = stream;
    char *line = fgets(buffer, size, reading->file);
    const char *begin = line ? line + strspn(line, " \t") : "";
    if (*begin == '[')
        snprintf(reading->section_line, sizeof reading->section_line, "%s", begin);
    return line;
}

static int read_file(struct reading *reading, FILE *file, const char *path,
                     struct config_error *error)
{
    reading->file = file;
    int line = ini_parse_stream(read_line, reading, on_line, reading);
    if (line > 0) {
        /* A line that inih itself could not read comes before any that we refused, or alone. */
        const char *reason = reading->result < 0 ? reading->reason
                                                 : "expected [section], name = value or ; comment";
        snprintf(error->text, sizeof error->text, "%.100s:%d: %s", path, line, reason);
        return reading->result < 0 ? reading->result : -EINVAL;
    }
    if (line < 0 || ferror(file)) {
        snprintf(error->text, sizeof error->text, "%.100s: could not be read", path);
        return line == -2 ? -ENOMEM : -EINVAL;
    }
    return 0;
}

static int load_over_defaults(struct reading *reading, FILE *file, const char *path,
                              struct config_error *error)
{
    int result = config_init(&reading->config);
    if (result == 0)
        result = read_file(reading, file, path, error);
    if (result < 0)
        config_finish(&reading->config);
    return result;
}

int config_load(struct config *config, const char *path, struct config_error *error)
{
    snprintf(error->text, sizeof error->text, "%.100s: out of memory", path);
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error->text, sizeof error->text, "%.100s: %s", path, strerror(errno));
        return -EINVAL;
    }
    struct reading reading = {.seen = calloc(config_key_count, sizeof *reading.seen)};
    int result = reading.seen ? load_over_defaults(&reading, file, path, error) : -ENOMEM;
    if (result == 0) {
        config_finish(config);
        *config = reading.config;
    }
    free(reading.seen);
    free(reading.origins_seen);
    fclose(file);
    return result;
}
