/* options: see options.h. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "exitcode.h"
#include "options_check.h"
#include "usage.h"

#define MAX_FORMAT_BYTES ((size_t)1 << 20)

/* Options without a letter. */
enum {
    OPTION_DATA_BINARY = 256,
    OPTION_DATA_RAW,
    OPTION_CONNECT_TIMEOUT,
    OPTION_MAX_REDIRS,
    OPTION_MAX_FILESIZE,
    OPTION_NO_PROGRESS,
    OPTION_COMPRESSED,
    OPTION_HTTP_1_1,
    OPTION_HTTP_2,
    OPTION_HTTP_2_ONLY,
    OPTION_CACERT,
    OPTION_KEY,
    OPTION_JSON,
    OPTION_FULL,
    OPTION_INTERVAL,
    OPTION_COUNT,
    OPTION_SOCKET
};

static const char letters[] = "X:H:d:T:o:OiINsSfm:LA:e:u:E:kx:w:Vh";

static const struct option words[] = {
    {"request", required_argument, NULL, 'X'},
    {"header", required_argument, NULL, 'H'},
    {"data", required_argument, NULL, 'd'},
    {"data-ascii", required_argument, NULL, 'd'},
    {"data-binary", required_argument, NULL, OPTION_DATA_BINARY},
    {"data-raw", required_argument, NULL, OPTION_DATA_RAW},
    {"upload-file", required_argument, NULL, 'T'},
    {"output", required_argument, NULL, 'o'},
    {"remote-name", no_argument, NULL, 'O'},
    {"include", no_argument, NULL, 'i'},
    {"show-headers", no_argument, NULL, 'i'},
    {"head", no_argument, NULL, 'I'},
    {"no-buffer", no_argument, NULL, 'N'},
    {"no-progress-meter", no_argument, NULL, OPTION_NO_PROGRESS},
    {"silent", no_argument, NULL, 's'},
    {"show-error", no_argument, NULL, 'S'},
    {"fail", no_argument, NULL, 'f'},
    {"max-time", required_argument, NULL, 'm'},
    {"connect-timeout", required_argument, NULL, OPTION_CONNECT_TIMEOUT},
    {"location", no_argument, NULL, 'L'},
    {"max-redirs", required_argument, NULL, OPTION_MAX_REDIRS},
    {"max-filesize", required_argument, NULL, OPTION_MAX_FILESIZE},
    {"compressed", no_argument, NULL, OPTION_COMPRESSED},
    {"user-agent", required_argument, NULL, 'A'},
    {"referer", required_argument, NULL, 'e'},
    {"user", required_argument, NULL, 'u'},
    {"http1.1", no_argument, NULL, OPTION_HTTP_1_1},
    {"http2", no_argument, NULL, OPTION_HTTP_2},
    {"http2-prior-knowledge", no_argument, NULL, OPTION_HTTP_2_ONLY},
    {"cacert", required_argument, NULL, OPTION_CACERT},
    {"cert", required_argument, NULL, 'E'},
    {"key", required_argument, NULL, OPTION_KEY},
    {"insecure", no_argument, NULL, 'k'},
    {"proxy", required_argument, NULL, 'x'},
    {"write-out", required_argument, NULL, 'w'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"full", no_argument, NULL, OPTION_FULL},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* ---- Values ---------------------------------------------------------------------------------- */

static int file_failed(const char *option, const char *argument, int error)
{
    if (error == 0)
        return EXIT_CODE_OK;
    usage_wrong("option %s: cannot read %s: %s", option, argument, strerror(-error));
    return error == -ENOMEM ? EXIT_CODE_MEMORY : EXIT_CODE_READ;
}

/* A day: the daemon takes no more. */
#define MOST_MS 86400000

/* Decimal seconds to milliseconds. What is more than nothing does not become nothing. */
static int read_seconds(uint32_t *out_ms, const char *option, const char *text)
{
    char *end;
    double ms = strtod(text, &end) * 1000;
    if (end == text || *end || !(ms >= 0))
        return usage_wrong("option %s: expected a number of seconds, not '%s'", option, text);
    if (ms > MOST_MS)
        return usage_wrong("option %s: %s seconds are more than a day, the most that is allowed",
                           option, text);
    *out_ms = ms > 0 && ms < 1 ? 1 : (uint32_t)ms;
    return EXIT_CODE_OK;
}

static int read_interval(uint32_t *out_ms, const char *text)
{
    int result = read_seconds(out_ms, "--interval", text);
    if (result == EXIT_CODE_OK && *out_ms < INTERVAL_LEAST_MS)
        return usage_wrong("option --interval: expected 0.1 seconds or more, not '%s'", text);
    return result;
}

static int read_count(int32_t *out_count, const char *option, const char *text)
{
    char *end;
    errno = 0;
    long count = strtol(text, &end, 10);
    if (end == text || *end || errno || count < -1 || count > INT32_MAX)
        return usage_wrong("option %s: expected a number, not '%s'", option, text);
    *out_count = (int32_t)count;
    return EXIT_CODE_OK;
}

static int read_frame_count(int32_t *out_count, const char *text)
{
    int result = read_count(out_count, "--count", text);
    if (result == EXIT_CODE_OK && *out_count < 1)
        return usage_wrong("option --count: expected 1 or more, not '%s'", text);
    return result;
}

/* Bytes, or a number of curl's units, which are powers of 1024. */
static int read_size(uint64_t *out_bytes, const char *option, const char *text)
{
    static const char units[] = "bkmg";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, tolower((unsigned char)*end)) : units;
    unsigned shift = unit ? 10 * (unsigned)(unit - units) : 0;
    if (!isdigit((unsigned char)*text) || errno || !unit || (*end && end[1]) ||
        number > UINT64_MAX >> shift)
        return usage_wrong("option %s: expected a number of bytes, not '%s'", option, text);
    *out_bytes = (uint64_t)number << shift;
    return EXIT_CODE_OK;
}

static int add_data(struct options *options, const char *option, enum body_kind kind)
{
    return file_failed(option, optarg, body_add(&options->body, optarg, kind));
}

static int add_upload(struct options *options, const char *file)
{
    const char **uploads = reallocarray(options->uploads, options->upload_count + 1,
                                        sizeof *uploads);
    if (!uploads)
        return usage_wrong("out of memory");
    options->uploads = uploads;
    uploads[options->upload_count++] = file;
    return EXIT_CODE_OK;
}

static int add_target(struct options *options, struct target target)
{
    struct target *targets = reallocarray(options->targets, options->target_count + 1,
                                          sizeof *targets);
    if (!targets)
        return usage_wrong("out of memory");
    options->targets = targets;
    targets[options->target_count++] = target;
    return EXIT_CODE_OK;
}

static int read_write_out(struct options *options)
{
    struct buffer *format = &options->write_out;
    buffer_truncate(format, 0);
    int result = *optarg == '@' ? data_read_file(format, optarg + 1)
                                : buffer_append_text(format, optarg);
    if (result == 0)
        result = data_end_string(format);
    return file_failed("-w", optarg, result);
}

/* ---- Options --------------------------------------------------------------------------------- */

/* Where an option that is one fact is kept; NULL for any other option. */
static bool *flag_of(struct options *options, int option)
{
    switch (option) {
    case 'i':
        return &options->shows_head;
    case 'I':
        return &options->is_head;
    case 's':
        return &options->is_silent;
    case OPTION_NO_PROGRESS:
        return &options->hides_progress;
    case 'S':
        return &options->shows_errors;
    case 'f':
        return &options->fails_on_error_status;
    case 'L':
        return &options->follows_redirects;
    case 'k':
        return &options->is_insecure;
    case OPTION_COMPRESSED:
        return &options->is_compressed;
    case OPTION_JSON:
        return &options->is_json;
    case OPTION_FULL:
        return &options->is_full;
    default:
        return NULL;
    }
}

/* Where an option that is one string is kept, the last of its kind; NULL for any other option. */
static const char **word_of(struct options *options, int option)
{
    switch (option) {
    case 'X':
        return &options->method;
    case 'A':
        return &options->user_agent;
    case 'e':
        return &options->referer;
    case 'u':
        return &options->user;
    case 'x':
        return &options->proxy;
    case 'E':
        return &options->cert_file;
    case OPTION_CACERT:
        return &options->ca_file;
    case OPTION_KEY:
        return &options->key_file;
    case OPTION_SOCKET:
        return &options->socket;
    default:
        return NULL;
    }
}

/* Those that take more than to be kept. */
static int read_special(struct options *options, int option)
{
    switch (option) {
    case 'H':
        return file_failed("-H", optarg, fields_add(&options->fields, optarg));
    case 'd':
        return add_data(options, "-d", BODY_TEXT);
    case OPTION_DATA_BINARY:
        return add_data(options, "--data-binary", BODY_BINARY);
    case OPTION_DATA_RAW:
        return add_data(options, "--data-raw", BODY_RAW);
    case 'T':
        return add_upload(options, optarg);
    case 'o':
        return add_target(options, (struct target){.path = optarg});
    case 'O':
        return add_target(options, (struct target){.is_named_by_url = true});
    case 'm':
        return read_seconds(&options->timeout_ms, "-m", optarg);
    case OPTION_CONNECT_TIMEOUT:
        return read_seconds(&options->connect_timeout_ms, "--connect-timeout", optarg);
    case OPTION_MAX_REDIRS:
        return read_count(&options->max_redirects, "--max-redirs", optarg);
    case OPTION_MAX_FILESIZE:
        return read_size(&options->max_body_bytes, "--max-filesize", optarg);
    case OPTION_INTERVAL:
        return read_interval(&options->interval_ms, optarg);
    case OPTION_COUNT:
        return read_frame_count(&options->frame_count, optarg);
    case 'N': /* nothing is ever held back */
        return EXIT_CODE_OK;
    case 'w':
        return read_write_out(options);
    default:
        return usage_wrong_as_said(); /* by getopt */
    }
}

static int read_option(struct options *options, int option)
{
    bool *flag = flag_of(options, option);
    const char **word = word_of(options, option);
    if (flag)
        *flag = true;
    else if (word)
        *word = optarg;
    else if (option == OPTION_HTTP_1_1)
        options->http = FETCHPOOL_HTTP_1_1;
    else if (option == OPTION_HTTP_2) /* as curl's: where TLS negotiates it, else HTTP/1.1 */
        options->http = FETCHPOOL_HTTP_AUTO;
    else if (option == OPTION_HTTP_2_ONLY)
        options->http = FETCHPOOL_HTTP_2;
    else if (option == 'V' || option == 'h')
        options->action = option == 'V' ? ACTION_VERSION : ACTION_HELP;
    else
        return read_special(options, option);
    return EXIT_CODE_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

int options_read(struct options *out_options, int argc, char **argv)
{
    *out_options = (struct options){.max_redirects = MAX_REDIRECTS_DEFAULT};
    body_init(&out_options->body);
    buffer_init(&out_options->write_out, MAX_FORMAT_BYTES);
    int option;
    while ((option = getopt_long(argc, argv, letters, words, NULL)) != -1) {
        int result = read_option(out_options, option);
        if (result != EXIT_CODE_OK)
            return result;
    }
    out_options->urls = argv + optind;
    out_options->url_count = (size_t)(argc - optind);
    return options_check(out_options);
}

void options_finish(struct options *options)
{
    fields_finish(&options->fields);
    body_finish(&options->body);
    buffer_finish(&options->write_out);
    free(options->targets);
    free(options->uploads);
    options->targets = NULL;
    options->uploads = NULL;
}

const char *options_upload(const struct options *options, size_t index)
{
    return index < options->upload_count ? options->uploads[index] : NULL;
}

bool options_allow_complaints(const struct options *options)
{
    return !options->is_silent || options->shows_errors;
}
