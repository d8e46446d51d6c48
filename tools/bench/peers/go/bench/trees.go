// SPDX-License-Identifier: MIT

// Trees of goroutines: skynet and fib, and the same with a little computing in each leaf.
package main

import "time"

var workPerUS int // steps of work() that take a microsecond
var workSink uint64

// steps is a chain of n multiplications that the compiler cannot shorten.
func steps(n int) uint64 {
	x := uint64(n)
	for range n {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// work computes for us microseconds. It asks no clock.
func work(us int) {
	if us > 0 && steps(us*workPerUS) == 0 {
		workSink++ // practically never; it keeps the result in use
	}
}

// calibrateWork takes the fastest of some tries: whatever disturbs only makes it slower.
func calibrateWork() {
	const n = 1_000_000
	best := time.Hour
	for range 10 {
		start := time.Now()
		if steps(n) == 0 {
			workSink++
		}
		best = min(best, time.Since(start))
	}
	workPerUS = max(1, int(n*time.Microsecond/best))
}

func skynet(up chan<- uint64, first, leaves uint64, us int) {
	if leaves == 1 {
		work(us)
		up <- first
		return
	}
	const children = 10
	from := make(chan uint64)
	part := leaves / children
	for i := range uint64(children) {
		go skynet(from, first+i*part, part, us)
	}
	sum := uint64(0)
	for range children {
		sum += <-from
	}
	up <- sum
}

func skynetTook(leaves uint64, us int) float64 {
	start := time.Now()
	up := make(chan uint64)
	go skynet(up, 0, leaves, us)
	if sum := <-up; sum != leaves*(leaves-1)/2 {
		panic("skynet: a leaf was lost")
	}
	return milliseconds(time.Since(start))
}

func fib(n, us int) int {
	if n < 2 {
		work(us)
		return n
	}
	other := make(chan int, 1)
	go func() { other <- fib(n-1, us) }()
	here := fib(n-2, us)
	return here + <-other
}

func fibTook(n, us, expected int) float64 {
	start := time.Now()
	if fib(n, us) != expected {
		panic("fib: wrong result")
	}
	return milliseconds(time.Since(start))
}

func skynetMS() []float64     { return []float64{skynetTook(1_000_000, 0)} }
func skynetWorkMS() []float64 { return []float64{skynetTook(100_000, 1)} }
func fibMS() []float64        { return []float64{fibTook(30, 0, 832_040)} }
func fibWorkMS() []float64    { return []float64{fibTook(24, 1, 46_368)} }

func skynetChild() []float64 {
	skynetTook(1_000_000, 0)
	return []float64{status("self", "VmHWM") / 1024}
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
