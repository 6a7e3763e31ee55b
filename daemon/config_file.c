/*
 * config_file: reads a configuration file over the defaults; see config.h. inih tells names from
 * values and comments; what stands in brackets is read here, for inih cuts it, and does not say
 * where a section begins.
 */
#include "config_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "config_lines.h"
#include "config_value.h"
#include "nearest.h"

/* Whose keys the lines are about. */
struct section {
    const char *name; /* as the table has it; NULL: none has begun */
    const struct config_key *keys;
    size_t key_count;
    void *record;   /* moves with the next section */
    bool *is_given; /* one for each key: inih would let a second value win in silence */
};

struct reading {
    struct config config;
    struct config_lines lines;
    bool *is_given; /* of config_keys */
    struct section section;
    int result; /* of the first error */
    int error_line;
    char reason[CONFIG_WHY_BYTES];
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
        reading->error_line = reading->lines.number;
    }
    return 0;
}

static int fail_memory(struct reading *reading)
{
    return fail(reading, -ENOMEM, "out of memory");
}

/* ---- Names in sentences --------------------------------------------------------------------- */

static const char *shown_line(const struct reading *reading)
{
    return config_unless_secret(reading->lines.line, "[(not shown)]");
}

static int fail_outside(struct reading *reading, const char *name)
{
    char sections[160];
    config_list_sections(sections, sizeof sections);
    return fail(reading, -EINVAL, "\"%.60s\" stands before any section; expected one of [%s]", name,
                sections);
}

/* What a key of no section that it stands in was probably meant to be: a key of this section that
 * is spelt much like it, or one of another section. False: who knows. */
static bool guess_key(const struct section *section, const char *name, char *out_guess, size_t size)
{
    struct nearest nearest = nearest_to(name);
    const struct config_key *elsewhere = NULL;
    for (size_t i = 0; i < section->key_count; i++) {
        if (strcmp(section->name, section->keys[i].section) == 0)
            nearest_offer(&nearest, section->keys[i].name);
    }
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(name, config_keys[i].name) == 0)
            elsewhere = &config_keys[i];
    }
    if (elsewhere)
        snprintf(out_guess, size, "it is a key of [%s]", elsewhere->section);
    else if (nearest.name)
        snprintf(out_guess, size, "did you mean \"%s\"?", nearest.name);
    return elsewhere || nearest.name;
}

static int fail_unknown_key(struct reading *reading, const char *name)
{
    const struct section *section = &reading->section;
    char guess[80], keys[400] = "";
    if (guess_key(section, name, guess, sizeof guess))
        return fail(reading, -EINVAL, "unknown key \"%.60s\" in [%s]; %s", name, section->name,
                    guess);
    for (size_t i = 0; i < section->key_count; i++) {
        if (strcmp(section->name, section->keys[i].section) == 0)
            config_append_name(keys, sizeof keys, section->keys[i].name);
    }
    return fail(reading, -EINVAL, "unknown key \"%.60s\" in [%s]; expected one of %s", name,
                section->name, keys);
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

/* ---- Keys ----------------------------------------------------------------------------------- */

static int take_list(struct reading *reading, const struct config_key *key, const char *text)
{
    char why[CONFIG_WHY_BYTES] = "";
    int result = config_list_add(reading->section.record, key, text, why);
    if (result == -ENOMEM)
        return fail_memory(reading);
    if (result < 0)
        return fail(reading, -EINVAL, "[%s] %s: %s", key->section, key->name, why);
    return 1;
}

static int take_value(struct reading *reading, const struct config_key *key, const char *text)
{
    switch (config_set_value(reading->section.record, key, text)) {
    case 0:
        return 1;
    case -ENOMEM:
        return fail_memory(reading);
    case -ERANGE:
        return fail_range(reading, key, text);
    default:
        return fail(reading, -EINVAL, "[%s] %s = %.60s: expected %s", key->section, key->name,
                    config_shown_value(key, text), config_type_description(key->type));
    }
}

/* inih's handler. It knows of no section: read_line() keeps them to itself. */
static int on_line(void *user, const char *inih_section, const char *name, const char *text)
{
    struct reading *reading = user;
    const struct section *section = &reading->section;
    (void)inih_section;
    if (!section->name)
        return fail_outside(reading, name);
    const struct config_key *key = config_key_find(section->keys, section->key_count, section->name,
                                                   name);
    if (!key)
        return fail_unknown_key(reading, name);
    bool *is_given = &section->is_given[key - section->keys];
    bool is_again = *is_given;
    *is_given = true;
    if (config_key_is_list(key))
        return take_list(reading, key, text);
    if (is_again)
        return fail(reading, -EINVAL, "[%s] %s is given twice", key->section, key->name);
    return take_value(reading, key, text);
}

/* ---- Sections ------------------------------------------------------------------------------- */

/*
 * Takes [KIND] or [KIND "NAME"] apart: the length of its kind, and its name, empty if there is
 * none. False if it is neither, or if more than a comment stands behind it: the name is empty then.
 */
static bool split(const char *line, size_t *out_kind_length, char out_name[CONFIG_LINE_BYTES])
{
    const char *at = line + 1;
    size_t name_length = 0;
    *out_kind_length = strcspn(at, " \"]");
    at += *out_kind_length;
    if (strncmp(at, " \"", 2) == 0) {
        name_length = strcspn(at + 2, "\"");
        memcpy(out_name, at + 2, name_length);
        at += 2 + name_length;
        at += *at == '"';
    }
    bool is_whole = *at == ']';
    at += is_whole;
    at += strspn(at, " \t");
    is_whole = is_whole && (!*at || *at == ';' || *at == '#');
    out_name[is_whole ? name_length : 0] = '\0';
    return is_whole;
}

static int begin_origin(struct reading *reading, const char *name)
{
    if (!config_value_is_origin(name))
        return fail(reading, -EINVAL,
                    "%.100s: expected [" CONFIG_ORIGIN_FORM
                    "] with scheme, host and, if need be, port, and nothing behind them",
                    shown_line(reading));
    struct wire_why why;
    int result = config_origin_check(name, &why);
    if (result == -EINVAL)
        return fail(reading, -EINVAL, "%.100s: %s", shown_line(reading), why.text);
    struct config_origin *origin = result == 0 ? config_origin_get(&reading->config, name) : NULL;
    if (!origin)
        return fail_memory(reading);
    reading->section = (struct section){"origin", config_origin_keys, config_origin_key_count,
                                        origin, origin->is_given};
    return 1;
}

static int begin_policy(struct reading *reading, const char *name)
{
    if (!config_policy_is_name(name))
        return fail(reading, -EINVAL,
                    "%.100s: expected [" CONFIG_POLICY_FORM "] with a name of 1 to %d printable "
                    "characters, and nothing behind it",
                    shown_line(reading), CONFIG_POLICY_NAME_MOST_BYTES);
    struct config_policy *policy = config_policy_get(&reading->config, name);
    if (!policy)
        return fail_memory(reading);
    if (policy->line > 0)
        return fail(reading, -EINVAL, "[policy \"%s\"] is given twice; the first is in line %d",
                    config_unless_secret(name, "(not shown)"), policy->line);
    policy->line = reading->lines.number;
    reading->section = (struct section){"policy", config_policy_keys, config_policy_key_count,
                                        policy, policy->is_given};
    return 1;
}

static const char *find_section(const char *name, size_t length)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *section = config_keys[i].section;
        if (strlen(section) == length && memcmp(section, name, length) == 0)
            return section;
    }
    return NULL;
}

/* `length`: of the word behind the bracket. */
static int fail_unknown_section(struct reading *reading, size_t length)
{
    const char *line = reading->lines.line;
    char sections[160], word[CONFIG_LINE_BYTES];
    snprintf(word, sizeof word, "%.*s", (int)length, line + 1);
    line = shown_line(reading);
    struct nearest nearest = nearest_to(word);
    for (size_t i = 0; i < config_key_count; i++)
        nearest_offer(&nearest, config_keys[i].section);
    nearest_offer(&nearest, "origin");
    nearest_offer(&nearest, "policy");
    if (nearest.name)
        return fail(reading, -EINVAL, "unknown section %.100s; did you mean [%s]?", line,
                    strcmp(nearest.name, "origin") == 0   ? CONFIG_ORIGIN_FORM
                    : strcmp(nearest.name, "policy") == 0 ? CONFIG_POLICY_FORM
                                                          : nearest.name);
    config_list_sections(sections, sizeof sections);
    return fail(reading, -EINVAL, "unknown section %.100s; expected one of %s", line, sections);
}

/* A line that begins with a bracket. */
static int begin_section(struct reading *reading)
{
    const char *line = reading->lines.line;
    char name[CONFIG_LINE_BYTES];
    size_t length;
    bool is_whole = split(line, &length, name);
    if (length == 6 && strncmp(line + 1, "origin", length) == 0)
        return begin_origin(reading, name);
    if (length == 6 && strncmp(line + 1, "policy", length) == 0)
        return begin_policy(reading, name);
    const char *section = find_section(line + 1, length);
    if (section && is_whole && line[1 + length] == ']') {
        reading->section = (struct section){section, config_keys, config_key_count,
                                            &reading->config, reading->is_given};
        return 1;
    }
    if (section)
        return fail(reading, -EINVAL, "%.100s: expected [%s] and nothing behind it",
                    shown_line(reading), section);
    return fail_unknown_section(reading, length);
}

/* Only when all has been read is it known whom a policy holds for. */
static int check_policies(struct reading *reading)
{
    for (size_t i = 0; i < reading->config.policy_count; i++) {
        const struct config_policy *policy = &reading->config.policies[i];
        const char *fault = config_policy_fault(policy);
        reading->lines.number = policy->line;
        if (fault)
            fail(reading, -EINVAL, "[policy \"%s\"]: %s",
                 config_unless_secret(policy->name, "(not shown)"), fault);
    }
    return reading->result;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* What inih gets of the line: nothing of comments, and of sections only that one begins. */
static int hand_line(struct reading *reading, char *buffer, size_t size)
{
    const struct config_lines *lines = &reading->lines;
    bool is_section = *lines->line == '[';
    size_t most = !is_section && size < sizeof lines->line ? size - 2 : sizeof lines->line - 1;
    if (*lines->line == ';' || *lines->line == '#')
        return snprintf(buffer, size, "\n");
    if (lines->has_nul)
        return fail(reading, -EINVAL, "the line holds a NUL byte");
    if (lines->is_cut || strlen(lines->line) > most)
        return fail(reading, -EINVAL, "the line has more than %zu bytes", most);
    if (is_section)
        return begin_section(reading) ? snprintf(buffer, size, "[-]\n") : 0;
    return snprintf(buffer, size, "%s\n", lines->line);
}

/* As fgets(), for inih. When there is no more, it wipes the buffer: a value may be secret. */
static char *read_line(char *buffer, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->result == 0 && config_lines_next(&reading->lines) &&
        hand_line(reading, buffer, (size_t)size))
        return buffer;
    explicit_bzero(buffer, (size_t)size);
    return NULL;
}

/* ---- File ----------------------------------------------------------------------------------- */

static int read_file(struct reading *reading, const char *path, struct config_error *error)
{
    int line = ini_parse_stream(read_line, reading, on_line, reading);
    if (line == -2)
        return -ENOMEM;
    if (line < 0 || ferror(reading->lines.file)) {
        snprintf(error->text, sizeof error->text, "%.100s: could not be read", path);
        return -EINVAL;
    }
    if (line == 0)
        check_policies(reading);
    if (line > 0 && (reading->result == 0 || line < reading->error_line)) {
        snprintf(error->text, sizeof error->text,
                 "%.100s:%d: expected [section], name = value or ; comment", path, line);
        return -EINVAL;
    }
    if (reading->result < 0)
        snprintf(error->text, sizeof error->text, "%.100s:%d: %s", path, reading->error_line,
                 reading->reason);
    return reading->result;
}

static int load_over_defaults(struct reading *reading, const char *path, struct config_error *error)
{
    int result = config_preset(&reading->config);
    if (result == 0)
        result = read_file(reading, path, error);
    if (result == 0)
        result = config_policies_inherit(&reading->config);
    if (result < 0)
        config_finish(&reading->config);
    return result;
}

int config_load(struct config *config, const char *path, struct config_error *error)
{
    struct reading reading = {.is_given = calloc(config_key_count, sizeof *reading.is_given)};
    int result = config_lines_open(&reading.lines, path);
    if (result < 0)
        snprintf(error->text, sizeof error->text, "%.100s: %s", path, strerror(-result));
    else
        snprintf(error->text, sizeof error->text, "%.100s: out of memory", path);
    if (result == 0)
        result = reading.is_given ? load_over_defaults(&reading, path, error) : -ENOMEM;
    if (result == 0) {
        config_finish(config);
        *config = reading.config;
    }
    free(reading.is_given);
    config_lines_close(&reading.lines);
    return result == 0 || result == -ENOMEM ? result : -EINVAL;
}
