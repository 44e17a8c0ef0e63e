/*
 * What a fiber of Boost.Fiber costs: ../primitives.c for that library, names and all.
 *
 * Stacks come from the library's pool of them, which is the cheapest that it has. It has no
 * semaphore: one is made of its mutex and its condition, as its manual would have it.
 */
#include <boost/fiber/all.hpp>

#include <array>
#include <memory>
#include <mutex>

#include "../measure.h"

namespace fibers = boost::fibers;

static const int times = 300000;
static const int at_once = 1000;

static fibers::pooled_fixedsize_stack stacks(65536);

template <typename Entry>
static fibers::fiber
spawn(Entry entry)
{
    return fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, entry);
}

static void
nothing()
{
}

static void
spawn_and_finish()
{
    for (int i = 0; i < times; i++) {
        spawn(nothing).detach();
        boost::this_fiber::yield();
    }
}

static void
spawn_many_and_finish()
{
    for (int i = 0; i < times / at_once; i++) {
        for (int k = 0; k < at_once; k++) {
            spawn(nothing).detach();
        }
        boost::this_fiber::yield();
    }
}

static void
spawn_and_join()
{
    for (int i = 0; i < times; i++) {
        spawn(nothing).join();
    }
}

static void
spawn_many_and_join()
{
    static std::array<fibers::fiber, at_once> all;
    for (int i = 0; i < times / at_once; i++) {
        for (fibers::fiber &fiber : all) {
            fiber = spawn(nothing);
        }
        for (fibers::fiber &fiber : all) {
            fiber.join();
        }
    }
}

/** Run an entry in two fibers to their ends, one with 0 and one with 1. */
static void
run_two(void (*entry)(int number))
{
    fibers::fiber first = spawn([entry] { entry(0); });
    fibers::fiber second = spawn([entry] { entry(1); });
    first.join();
    second.join();
}

static void
just_yield(int)
{
    for (int i = 0; i < times / 2; i++) {
        boost::this_fiber::yield();
    }
}

static void
yield()
{
    run_two(just_yield);
}

struct semaphore {
    fibers::mutex lock;
    fibers::condition_variable more;
    int units = 0;

    void
    acquire()
    {
        std::unique_lock<fibers::mutex> held(lock);
        more.wait(held, [this] { return units > 0; });
        units--;
    }

    void
    release()
    {
        std::unique_lock<fibers::mutex> held(lock);
        units++;
        more.notify_one();
    }
};

static std::array<semaphore, 2> turns;

static void
take_turns(int mine)
{
    for (int i = 0; i < times / 2; i++) {
        turns[mine].acquire();
        turns[!mine].release();
    }
}

static void
hand_over()
{
    turns[0].units = 1;
    turns[1].units = 0;
    run_two(take_turns);
}

static fibers::mutex mutex;

static void
lock_and_yield(int)
{
    for (int i = 0; i < times / 2; i++) {
        mutex.lock();
        boost::this_fiber::yield();
        mutex.unlock();
    }
}

static void
hand_mutex_over()
{
    run_two(lock_and_yield);
}

static void
lock_free_mutex()
{
    for (int i = 0; i < times; i++) {
        mutex.lock();
        mutex.unlock();
    }
}

int
main(int argc, char **argv)
{
    static const char who[] = "Boost.Fiber";
    measure_options(argc, argv);
    measure(who, "spawn, run, finish", times, spawn_and_finish);
    measure(who, "the same, 1,000 at a time", times, spawn_many_and_finish);
    measure(who, "spawn, join", times, spawn_and_join);
    measure(who, "the same, 1,000 at a time, joined", times, spawn_many_and_join);
    measure(who, "yield", times, yield);
    measure(who, "hand-over", times, hand_over);
    measure(who, "mutex, handed over", times, hand_mutex_over);
    measure(who, "mutex, free", times, lock_free_mutex);
    return 0;
}
