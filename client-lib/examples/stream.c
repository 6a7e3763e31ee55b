/*
 * stream: a body of any size from or to a file, a piece at a time: memory stays the same for a
 * gigabyte.
 *
 *     cc stream.c $(pkg-config --cflags --libs fetchpool)
 *     ./a.out get https://example.com/large FILE
 *     ./a.out put https://example.com/large FILE
 */
#include <fetchpool.h>
#include <stdio.h>
#include <string.h>

static int finish(FILE *file, const struct fetchpool_response *answer, int is_put)
{
    int failed = fetchpool_error_code(answer) != 0;
    if (failed)
        fprintf(stderr, "%s\n", fetchpool_error_message(answer));
    else if (is_put)
        printf("%d\n", fetchpool_status(answer));
    else
        printf("%d, %llu bytes\n", fetchpool_status(answer),
               (unsigned long long)fetchpool_body_bytes(answer));
    if (fclose(file) != 0) { /* what was still in its buffer did not reach the disk */
        perror("fclose");
        failed = 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[1], "get") != 0 && strcmp(argv[1], "put") != 0)) {
        fprintf(stderr, "usage: %s get|put URL FILE\n", argv[0]);
        return 2;
    }
    int is_put = strcmp(argv[1], "put") == 0;
    FILE *file = fopen(argv[3], is_put ? "r" : "w");
    if (!file) {
        perror(argv[3]);
        return 1;
    }
    struct fetchpool *pool = fetchpool_open(NULL);
    struct fetchpool_request *request = fetchpool_request_create(is_put ? "PUT" : "GET", argv[2]);
    if (is_put)
        fetchpool_request_set_upload_file(request, file, FETCHPOOL_SIZE_UNKNOWN);
    else
        fetchpool_request_set_output_file(request, file);
    struct fetchpool_response *answer = fetchpool_fetch(pool, request);
    int failed = finish(file, answer, is_put);
    fetchpool_response_free(answer);
    fetchpool_request_free(request);
    fetchpool_close(pool);
    return failed;
}
