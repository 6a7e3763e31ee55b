/* metrics_text: see metrics_text.h. */
#include "metrics_text.h"

#include <string.h>

void metrics_put_family(struct buffer *out, const struct metrics_family *family)
{
    buffer_append_format(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->prefix, family->name,
                         family->help, family->prefix, family->name, family->type);
}

/* What would end the value, or the line, is escaped. */
static void put_value(struct buffer *out, const char *value)
{
    while (*value) {
        size_t plain = strcspn(value, "\\\"\n");
        buffer_append(out, value, plain);
        value += plain;
        if (*value)
            buffer_append_text(out, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
        value += *value != '\0';
    }
}

static void put_labels(struct buffer *out, const struct metrics_label *labels)
{
    for (const struct metrics_label *label = labels; label->name; label++) {
        buffer_append_text(out, label == labels ? "{" : ",");
        buffer_append_text(out, label->name);
        buffer_append_text(out, "=\"");
        put_value(out, label->value);
        buffer_append_text(out, "\"");
    }
    buffer_append_text(out, "}");
}

static int digits_of(uint64_t divisor)
{
    int digits = 0;
    for (; divisor > 1; divisor /= 10)
        digits++;
    return digits;
}

/* Whole: a double has no more than 15 digits, and a locale has its own mark between them. */
static void put_number(struct buffer *out, uint64_t value, uint64_t divisor)
{
    if (divisor == 1)
        buffer_append_format(out, " %llu\n", (unsigned long long)value);
    else
        buffer_append_format(out, " %llu.%0*llu\n", (unsigned long long)(value / divisor),
                             digits_of(divisor), (unsigned long long)(value % divisor));
}

void metrics_put_sample(struct buffer *out, const struct metrics_family *family, const char *suffix,
                        const struct metrics_label *labels, uint64_t value, uint64_t divisor)
{
    buffer_append_text(out, family->prefix);
    buffer_append_text(out, family->name);
    buffer_append_text(out, suffix);
    if (labels)
        put_labels(out, labels);
    put_number(out, value, divisor);
}
