/* log: see log.h. The level and the kind of stderr are the process's own, hence file-wide. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level highest = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    highest = level;
}

bool log_is_on(enum log_level level)
{
    return level <= highest;
}

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"notice", LOG_LEVEL_NOTICE},
    {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
};

#define LEVEL_COUNT (sizeof levels / sizeof levels[0])

bool log_level_parse(const char *text, enum log_level *out_level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *out_level = levels[i].level;
            return true;
        }
    }
    return false;
}

const char *log_level_name(int level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if ((int)levels[i].level == level)
            return levels[i].name;
    }
    return "unknown";
}

static bool stderr_is_terminal(void)
{
    static int answer = -1;
    if (answer < 0)
        answer = isatty(STDERR_FILENO);
    return answer == 1;
}

static size_t clip(int length, size_t room)
{
    if (length < 0)
        return 0;
    return (size_t)length < room ? (size_t)length : room - 1;
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_BYTES];
    size_t length = 0;
    if (!log_is_on(level))
        return;
    if (!stderr_is_terminal())
        length = clip(snprintf(line, sizeof line, "<%d>", (int)level), sizeof line);
    size_t text = length;
    va_list values;
    va_start(values, format);
    size_t room = sizeof line - length - 1; /* a place for the newline */
    length += clip(vsnprintf(line + length, room, format, values), room);
    va_end(values);
    for (size_t i = text; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, length); /* nobody is left to be told */
    (void)ignored;
}
