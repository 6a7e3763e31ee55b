/*
 * cplusplus: the header from C++, its objects in smart pointers.
 *
 *     c++ cplusplus.cc -lfetchpool && ./a.out https://example.com/
 */
#include <fetchpool.h>

#include <iostream>
#include <memory>

namespace
{
struct Deleter {
    void operator()(fetchpool *pool) const
    {
        fetchpool_close(pool);
    }
    void operator()(fetchpool_response *answer) const
    {
        fetchpool_response_free(answer);
    }
};
} // namespace

int main(int argc, char **argv)
{
    std::unique_ptr<fetchpool, Deleter> pool(fetchpool_open(nullptr));
    std::unique_ptr<fetchpool_response, Deleter> answer(
        fetchpool_get(pool.get(), argc > 1 ? argv[1] : nullptr));
    if (fetchpool_error_code(answer.get()) != FETCHPOOL_OK) {
        std::cerr << fetchpool_error_message(answer.get()) << '\n';
        return 1;
    }
    std::cout << fetchpool_status(answer.get()) << '\n';
    return 0;
}
