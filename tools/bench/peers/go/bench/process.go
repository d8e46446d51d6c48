// SPDX-License-Identifier: MIT

// Processes: the children that this program starts, and what is measured from outside.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// childArgs is the command line of a child; its processors are set by the environment, so that
// its runtime starts with them.
func childArgs(name string) (string, []string, []string) {
	program, err := os.Executable()
	check(err)
	procs := strconv.Itoa(options.procs)
	args := []string{program, "--procs", procs, "--child", name}
	return program, args, append(os.Environ(), "GOMAXPROCS="+procs)
}

// values runs a command and reads the numbers that it prints.
func values(command *exec.Cmd) []float64 {
	command.Stderr = os.Stderr
	output, err := command.Output()
	check(err)
	var numbers []float64
	for _, word := range bytes.Fields(output) {
		number, err := strconv.ParseFloat(string(word), 64)
		check(err)
		numbers = append(numbers, number)
	}
	return numbers
}

func inChild(name string) func() []float64 {
	return func() []float64 {
		program, args, env := childArgs(name)
		return values(&exec.Cmd{Path: program, Args: args, Env: env})
	}
}

// status is a line of /proc/PID/status, in kB.
func status(pid, field string) float64 {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			var kB float64
			_, err := fmt.Sscan(rest, &kB)
			check(err)
			return kB
		}
	}
	panic("no " + field + " in /proc/" + pid + "/status")
}

func lifetime(program string, args, env []string) float64 {
	start := time.Now()
	process, err := os.StartProcess(program, args, &os.ProcAttr{Env: env})
	check(err)
	state, err := process.Wait()
	check(err)
	took := time.Since(start)
	if !state.Success() {
		panic(program + " failed")
	}
	return milliseconds(took)
}

func startupMS() []float64 {
	const times = 25
	var ours, trues [times]float64
	program, args, env := childArgs("startup")
	for i := range times {
		ours[i] = lifetime(program, args, env)
		trues[i] = lifetime("/bin/true", []string{"true"}, env)
	}
	slices.Sort(ours[:])
	slices.Sort(trues[:])
	return []float64{ours[times/2] - trues[times/2]}
}

func startupChild() []float64 {
	done := make(chan struct{})
	go close(done)
	<-done
	return nil
}

// idleRSS looks from outside: a process that reads its own /proc grows by that.
func idleRSS() []float64 {
	program, args, env := childArgs("idle")
	process, err := os.StartProcess(program, args, &os.ProcAttr{Env: env})
	check(err)
	time.Sleep(200 * time.Millisecond)
	kB := status(strconv.Itoa(process.Pid), "VmRSS")
	check(process.Kill())
	_, err = process.Wait()
	check(err)
	return []float64{kB}
}

func idleChild() []float64 {
	time.Sleep(time.Minute)
	return nil
}
