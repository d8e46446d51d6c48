// SPDX-License-Identifier: MIT

// Channels and select.
package main

import "sync"

// pingPong is one pair: the goroutine that calls it and another one.
func pingPong(rounds int) {
	ping, pong := make(chan uint64), make(chan uint64)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
	}()
	v := uint64(0)
	for range rounds {
		ping <- v
		v = <-pong
	}
	close(ping)
	if v != uint64(rounds) {
		panic("a ping was lost")
	}
}

func chanUnbuf(rounds int) int {
	rounds *= 1000
	pingPong(rounds)
	return rounds
}

func pairs(rounds int) int {
	rounds *= 1000
	together(2, func(int) { pingPong(rounds) })
	return 2 * rounds
}

func produce(c chan<- uint64, items int) {
	for i := range items {
		c <- uint64(i)
	}
}

func chanBuf(rounds int) int {
	items := rounds * 1000
	c := make(chan uint64, 128)
	go func() {
		produce(c, items)
		close(c)
	}()
	n := 0
	for range c {
		n++
	}
	return n
}

func chanMPMC(rounds int) int {
	const sides = 4
	items := rounds * 1000
	c := make(chan uint64, 128)
	var consumers sync.WaitGroup
	var taken [sides]int
	consumers.Add(sides)
	for i := range sides {
		go func() {
			defer consumers.Done()
			n := 0
			for range c {
				n++
			}
			taken[i] = n
		}()
	}
	together(sides, func(int) { produce(c, items) })
	close(c)
	consumers.Wait()
	if taken[0]+taken[1]+taken[2]+taken[3] != sides*items {
		panic("chan_mpmc: an item was lost")
	}
	return sides * items
}

// roundRobin starts the producer of the select workloads.
func roundRobin(n, items int) []chan uint64 {
	c := make([]chan uint64, n)
	for i := range c {
		c[i] = make(chan uint64)
	}
	go func() {
		for i := 0; i < items; {
			for _, to := range c {
				to <- 1
				i++
			}
		}
	}()
	return c
}

func checkSum(sum uint64, items int) int {
	if sum != uint64(items) {
		panic("select: an item was lost")
	}
	return items
}

func select2(rounds int) int {
	items := rounds * 1000
	c := roundRobin(2, items)
	a, b := c[0], c[1]
	sum := uint64(0)
	for range items {
		select {
		case v := <-a:
			sum += v
		case v := <-b:
			sum += v
		}
	}
	return checkSum(sum, items)
}

func select8(rounds int) int {
	items := rounds * 1000
	c := roundRobin(8, items)
	c0, c1, c2, c3, c4, c5, c6, c7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	sum, v := uint64(0), uint64(0)
	for range items {
		select {
		case v = <-c0:
		case v = <-c1:
		case v = <-c2:
		case v = <-c3:
		case v = <-c4:
		case v = <-c5:
		case v = <-c6:
		case v = <-c7:
		}
		sum += v
	}
	return checkSum(sum, items)
}
