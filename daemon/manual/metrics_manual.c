/*
 * metrics_manual: copies fetchpoold.8.scd from its input to its output, with the list of metrics,
 * from the table that they are written by, in place of the line @METRICS@. A program of the build,
 * not installed.
 */
#include <stdio.h>
#include <string.h>

#include "metrics.h"

/* scdoc reads '_' between words and '*' as its own. */
static void put_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '_' || *text == '*' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
}

static void put_family(const struct metrics_family *family)
{
    putchar('*');
    put_text(family->prefix);
    put_text(family->name);
    printf("* (%s)\n\t", family->type);
    put_text(family->help);
    if (family->labels) {
        fputs(" Labels: ", stdout);
        put_text(family->labels);
        putchar('.');
    }
    fputs("\n\n", stdout);
}

int main(void)
{
    char line[1024];
    bool is_put = false;
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "@METRICS@\n") != 0) {
            fputs(line, stdout);
            continue;
        }
        is_put = true;
        for (size_t i = 0; i < metrics_family_count(); i++) {
            struct metrics_family family = metrics_family_at(i);
            put_family(&family);
        }
    }
    return !is_put || ferror(stdout) || fflush(stdout) != 0;
}
