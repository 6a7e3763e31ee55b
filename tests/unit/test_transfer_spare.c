/* Transfers that are used again: by whom, how many are kept, and when they go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transfer_internal.h"

static struct transfer *transfer_of(uint32_t user)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    assert_non_null(transfer);
    transfer->user = user;
    transfer->job.easy = curl_easy_init();
    return transfer;
}

static void a_user_gets_his_own_and_the_last_one_first(void **state)
{
    (void)state;
    struct transfer_spares spares = {0};
    struct transfer *first = transfer_of(7), *second = transfer_of(7), *other = transfer_of(8);
    transfer_spares_put(&spares, first);
    transfer_spares_put(&spares, other);
    transfer_spares_put(&spares, second);
    assert_null(transfer_spares_take(&spares, 0));
    assert_null(transfer_spares_take(&spares, 9));
    assert_ptr_equal(transfer_spares_take(&spares, 7), second);
    assert_ptr_equal(transfer_spares_take(&spares, 7), first);
    assert_null(transfer_spares_take(&spares, 7));
    assert_int_equal(spares.count, 1);
    assert_ptr_equal(transfer_spares_take(&spares, 8), other);
    transfer_free(first);
    transfer_free(second);
    transfer_free(other);
}

static void the_oldest_goes_when_there_are_too_many(void **state)
{
    (void)state;
    struct transfer_spares spares = {0};
    for (uint32_t user = 0; user <= TRANSFER_MOST_SPARES; user++)
        transfer_spares_put(&spares, transfer_of(user));
    assert_int_equal(spares.count, TRANSFER_MOST_SPARES);
    assert_null(transfer_spares_take(&spares, 0));
    struct transfer *last = transfer_spares_take(&spares, TRANSFER_MOST_SPARES);
    assert_non_null(last);
    transfer_free(last);
    transfer_spares_clear(&spares);
    assert_int_equal(spares.count, 0);
    assert_null(transfer_spares_take(&spares, 1));
}

static void those_that_run_while_the_others_go_can_be_told(void **state)
{
    (void)state;
    struct transfer_spares spares = {0};
    unsigned before = spares.number;
    transfer_spares_clear(&spares);
    assert_int_not_equal(spares.number, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_gets_his_own_and_the_last_one_first),
        cmocka_unit_test(the_oldest_goes_when_there_are_too_many),
        cmocka_unit_test(those_that_run_while_the_others_go_can_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
