// SPDX-License-Identifier: MIT

// A million goroutines: parked, and asleep.
package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

const many = 1_000_000

func parkedChild() []float64 {
	gate := make(chan struct{})
	var parked, ended sync.WaitGroup
	parked.Add(many)
	ended.Add(many)
	rss, pte := status("self", "VmRSS"), status("self", "VmPTE")

	start := time.Now()
	for range many {
		go func() {
			parked.Done()
			<-gate
			ended.Done()
		}()
	}
	parked.Wait()
	create := time.Since(start)
	rss, pte = status("self", "VmRSS")-rss, status("self", "VmPTE")-pte

	start = time.Now()
	close(gate)
	ended.Wait()
	wake := time.Since(start)
	return []float64{rss * 1024 / many, pte * 1024 / many, milliseconds(create), milliseconds(wake)}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func timersChild() []float64 {
	gate := make(chan struct{})
	var parked, ended sync.WaitGroup
	parked.Add(many)
	ended.Add(many)
	var t0 time.Time
	random := rand.New(rand.NewPCG(1, 2))
	late := make([]time.Duration, many)
	for i := range late {
		late[i] = -1 // no page faults later
		until := time.Second + time.Millisecond +
			time.Duration(random.Int64N(int64(999*time.Millisecond)))
		go func() {
			parked.Done()
			<-gate
			time.Sleep(until - time.Since(t0))
			late[i] = time.Since(t0) - until
			ended.Done()
		}()
	}
	parked.Wait()

	cpu := cpuTime()
	t0 = time.Now()
	close(gate)
	ended.Wait()
	cpu = cpuTime() - cpu
	slices.Sort(late)
	return []float64{milliseconds(cpu), microseconds(percentile(late, 50)),
		microseconds(percentile(late, 99))}
}

// sleeps returns the lateness of 500 sleeps of d in a row.
func sleeps(d time.Duration) func() []float64 {
	return func() []float64 {
		late := make([]time.Duration, 500)
		for i := range late {
			start := time.Now()
			time.Sleep(d)
			late[i] = time.Since(start) - d
		}
		slices.Sort(late)
		return []float64{microseconds(percentile(late, 50)), microseconds(percentile(late, 99))}
	}
}

// percentile takes a sorted slice, and the value that so many percent are not above.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}
