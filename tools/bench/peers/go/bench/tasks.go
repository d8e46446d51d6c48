// SPDX-License-Identifier: MIT

// Goroutines, their start and end, and a mutex.
package main

import (
	"runtime"
	"sync"
)

// together runs n goroutines and waits for them.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		go func() {
			defer wg.Done()
			f(i)
		}()
	}
	wg.Wait()
}

// yield: the time is that of all processors together, so theirs cancel out.
func yield(rounds int) int {
	rounds *= 1000
	together(4*options.procs, func(int) {
		for range rounds {
			runtime.Gosched()
		}
	})
	return 4 * rounds
}

func spawnOne(rounds int) int {
	rounds *= 100
	done := make(chan struct{}, 1) // to join by a channel is faster than by a wait group
	task := func() { done <- struct{}{} }
	for range rounds {
		go task()
		<-done
	}
	return rounds
}

func spawnBatch(rounds int) int {
	const batch = 10_000
	var wg sync.WaitGroup
	task := func() { wg.Done() } // `go wg.Done()` would allocate a closure each time
	for range rounds {
		wg.Add(batch)
		for range batch {
			go task()
		}
		wg.Wait()
	}
	return rounds * batch
}

func mutex(rounds int) int {
	const tasks = 8
	rounds *= 1000
	var mu sync.Mutex
	total := 0
	together(tasks, func(int) {
		for range rounds {
			mu.Lock()
			total++
			mu.Unlock()
		}
	})
	if total != tasks*rounds {
		panic("mutex: an addition was lost")
	}
	return total
}
