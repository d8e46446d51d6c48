// SPDX-License-Identifier: MIT
//
// Channels.
#include "bench.h"

namespace
{
using Unbuffered = boost::fibers::unbuffered_channel<std::uint64_t>;
using Buffered = boost::fibers::buffered_channel<std::uint64_t>;

constexpr auto success = boost::fibers::channel_op_status::success;

// A power of two, as Boost wants it; such a channel holds one item less.
constexpr std::size_t CAPACITY = 128;

// One pair: the fiber that calls it and another one.
void ping_pong(long rounds)
{
    Unbuffered ping, pong;
    Fiber other = go([&ping, &pong] {
        std::uint64_t v;
        while (ping.pop(v) == success)
            pong.push(v + 1);
    });
    std::uint64_t v = 0;
    for (long i = 0; i < rounds; i++) {
        ping.push(v);
        pong.pop(v);
    }
    ping.close();
    other.join();
    check(v == static_cast<std::uint64_t>(rounds), "a ping was lost");
}

void produce(Buffered &channel, long items)
{
    for (long i = 0; i < items; i++)
        channel.push(static_cast<std::uint64_t>(i));
}

long consume(Buffered &channel)
{
    std::uint64_t v;
    long n = 0;
    while (channel.pop(v) == success)
        n++;
    return n;
}
} // namespace

long chan_unbuf(long rounds)
{
    rounds *= 1000;
    ping_pong(rounds);
    return rounds;
}

long pairs(long rounds)
{
    rounds *= 1000;
    Fiber a = go([rounds] { ping_pong(rounds); });
    Fiber b = go([rounds] { ping_pong(rounds); });
    a.join();
    b.join();
    return 2 * rounds;
}

long chan_buf(long rounds)
{
    long items = rounds * 1000;
    Buffered channel(CAPACITY);
    Fiber producer = go([&channel, items] {
        produce(channel, items);
        channel.close();
    });
    check(consume(channel) == items, "chan_buf: an item was lost");
    producer.join();
    return items;
}

long chan_mpmc(long rounds)
{
    constexpr int sides = 4;
    long items = rounds * 1000;
    Buffered channel(CAPACITY);
    std::vector<Fiber> producers, consumers;
    long taken[sides] = {};
    for (long &n : taken)
        consumers.push_back(go([&channel, &n] { n = consume(channel); }));
    for (int i = 0; i < sides; i++)
        producers.push_back(go([&channel, items] { produce(channel, items); }));
    for (Fiber &producer : producers)
        producer.join();
    channel.close();
    long all = 0;
    for (int i = 0; i < sides; i++) {
        consumers[i].join();
        all += taken[i];
    }
    check(all == sides * items, "chan_mpmc: an item was lost");
    return all;
}
