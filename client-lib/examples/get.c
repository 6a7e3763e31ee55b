/*
 * get: the README's example, as a whole program. Prints what is at a URL.
 *
 *     cc get.c -lfetchpool && ./a.out https://example.com/
 */
#include <fetchpool.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct fetchpool *pool = fetchpool_open(NULL);
    struct fetchpool_response *answer = fetchpool_get(pool, argc > 1 ? argv[1] : NULL);
    int code = fetchpool_error_code(answer);
    if (code == 0)
        fwrite(fetchpool_body(answer), 1, fetchpool_body_length(answer), stdout);
    else
        fprintf(stderr, "%s\n", fetchpool_error_message(answer));
    fetchpool_response_free(answer);
    fetchpool_close(pool);
    return code != 0;
}
