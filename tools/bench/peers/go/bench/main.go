// SPDX-License-Identifier: MIT

// The workloads of tools/bench/README.md in Go. This file reads the command line, runs what was
// asked for, and prints a line a row.
//
// What measures memory or CPU, or the life of a process, runs in a child: the same program with
// --child NAME, which prints its values one a line.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A row is one figure: what a line of the output is about.
type row struct {
	name, unit string
}

// A workload has either a loop, which is called with a number of rounds and returns how many
// operations these were (the row is ns per operation), or a measure, which returns a value a row.
type workload struct {
	rows    []row
	loop    func(rounds int) int
	measure func() []float64
	warm    bool // one call of measure comes first and does not count
	maxRuns int  // 0: as many as were asked for
}

var workloads = []workload{
	{rows: []row{{"yield", "ns"}}, loop: yield},
	{rows: []row{{"spawn_one", "ns"}}, loop: spawnOne},
	{rows: []row{{"spawn_batch", "ns"}}, loop: spawnBatch},
	{rows: []row{{"chan_unbuf", "ns"}}, loop: chanUnbuf},
	{rows: []row{{"chan_buf", "ns"}}, loop: chanBuf},
	{rows: []row{{"chan_mpmc", "ns"}}, loop: chanMPMC},
	{rows: []row{{"select2", "ns"}}, loop: select2},
	{rows: []row{{"select8", "ns"}}, loop: select8},
	{rows: []row{{"mutex", "ns"}}, loop: mutex},
	{rows: []row{{"skynet", "ms"}}, measure: skynetMS, warm: true, maxRuns: 3},
	{rows: []row{{"skynet.rss", "MB"}}, measure: inChild("skynet"), maxRuns: 3},
	{rows: []row{{"fib", "ms"}}, measure: fibMS, warm: true},
	{rows: []row{{"skynet_work", "ms"}}, measure: skynetWorkMS, warm: true},
	{rows: []row{{"fib_work", "ms"}}, measure: fibWorkMS, warm: true},
	{rows: []row{{"pairs", "ns"}}, loop: pairs},
	{
		rows: []row{{"parked.bytes", "B"}, {"parked.pte", "B"}, {"parked.create", "ms"},
			{"parked.wake", "ms"}},
		measure: inChild("parked"), maxRuns: 3,
	},
	{
		rows:    []row{{"timers.cpu", "ms"}, {"timers.p50", "us"}, {"timers.p99", "us"}},
		measure: inChild("timers"), maxRuns: 3,
	},
	{
		rows:    []row{{"sleep.100us_p50", "us"}, {"sleep.100us_p99", "us"}},
		measure: sleeps(100 * time.Microsecond), warm: true,
	},
	{
		rows:    []row{{"sleep.1ms_p50", "us"}, {"sleep.1ms_p99", "us"}},
		measure: sleeps(time.Millisecond), warm: true,
	},
	{rows: []row{{"startup", "ms"}}, measure: startupMS, warm: true},
	{rows: []row{{"idle_rss", "kB"}}, measure: idleRSS},
	{rows: []row{{"mixed", "us"}}, measure: mixedP99, maxRuns: 3},
}

// What --child NAME does.
var children = map[string]func() []float64{
	"skynet":  skynetChild,
	"parked":  parkedChild,
	"timers":  timersChild,
	"startup": startupChild,
	"idle":    idleChild,
	"mixed":   mixedChild,
}

var options = struct {
	procs int
	json  bool
	runs  int
	child string
	names []string
}{procs: 1, runs: 7}

func usage(what string) {
	fmt.Fprintf(os.Stderr, "%s\nusage: go [--procs N] [--json] [--runs N] [NAME...]\n", what)
	os.Exit(2)
}

func readOptions(args []string) {
	next := func(option string) string {
		if len(args) < 2 {
			usage(option + " needs a value")
		}
		args = args[1:]
		return args[0]
	}
	number := func(option string) int {
		n, err := strconv.Atoi(next(option))
		if err != nil || n < 1 {
			usage(option + " needs a number above 0")
		}
		return n
	}
	for ; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case arg == "--procs":
			options.procs = number(arg)
		case arg == "--runs":
			options.runs = number(arg)
		case arg == "--json":
			options.json = true
		case arg == "--child":
			options.child = next(arg)
		case strings.HasPrefix(arg, "-"):
			usage("unknown option " + arg)
		default:
			options.names = append(options.names, arg)
		}
	}
}

// isSelected says whether a row is one of those that the user named.
func isSelected(r row, name string) bool {
	return r.name == name || strings.HasPrefix(r.name, name+".")
}

func isWanted(r row) bool {
	return len(options.names) == 0 ||
		slices.ContainsFunc(options.names, func(name string) bool { return isSelected(r, name) })
}

func checkNames() {
	for _, name := range options.names {
		known := slices.ContainsFunc(workloads, func(w workload) bool {
			return slices.ContainsFunc(w.rows, func(r row) bool { return isSelected(r, name) })
		})
		if !known {
			usage("there is no workload " + name)
		}
	}
}

const (
	enough = 50 * time.Millisecond  // a run shorter than this says little
	target = 100 * time.Millisecond // what a run should take
)

func timed(loop func(int) int, rounds int) (int, time.Duration) {
	runtime.GC() // what the run before left is not this one's business
	start := time.Now()
	ops := loop(rounds)
	return ops, time.Since(start)
}

// runLoop finds how many rounds fill a run (which is the warm-up), then measures.
func runLoop(loop func(int) int, runs int) []float64 {
	rounds := 1
	_, took := timed(loop, rounds)
	for took < enough {
		rounds *= 2
		_, took = timed(loop, rounds)
	}
	rounds = max(1, int(float64(rounds)*float64(target)/float64(took)))

	values := make([]float64, runs)
	for i := range values {
		ops, took := timed(loop, rounds)
		values[i] = float64(took.Nanoseconds()) / float64(ops)
	}
	return values
}

// run returns the values of each row, a value a run.
func run(w workload) [][]float64 {
	runs := options.runs
	if w.maxRuns > 0 {
		runs = min(runs, w.maxRuns)
	}
	if w.loop != nil {
		return [][]float64{runLoop(w.loop, runs)}
	}
	if w.warm {
		w.measure()
	}
	columns := make([][]float64, len(w.rows))
	for range runs {
		runtime.GC()
		for i, value := range w.measure() {
			columns[i] = append(columns[i], value)
		}
	}
	return columns
}

func show(r row, values []float64) {
	slices.Sort(values)
	n := len(values)
	median, least, most := (values[(n-1)/2]+values[n/2])/2, values[0], values[n-1]
	if options.json {
		fmt.Printf(`{"peer":"go","version":"%s","name":"%s","procs":%d,"unit":"%s",`+
			`"median":%.3f,"min":%.3f,"max":%.3f,"runs":%d}`+"\n",
			runtime.Version(), r.name, options.procs, r.unit, median, least, most, n)
	} else {
		fmt.Printf("%-16s %14.3f %-2s   (%.3f to %.3f, %d runs)\n",
			r.name, median, r.unit, least, most, n)
	}
}

func main() {
	readOptions(os.Args[1:])
	// A child has the number in its environment already; setting it again stops the world.
	if runtime.GOMAXPROCS(0) != options.procs {
		runtime.GOMAXPROCS(options.procs)
	}
	if options.child != "" {
		child := children[options.child]
		if child == nil {
			usage("there is no child " + options.child)
		}
		for _, value := range child() {
			fmt.Println(value)
		}
		return
	}
	checkNames()
	calibrateWork()
	for _, w := range workloads {
		if !slices.ContainsFunc(w.rows, isWanted) {
			continue
		}
		columns := run(w)
		for i, r := range w.rows {
			if isWanted(r) {
				show(r, columns[i])
			}
		}
	}
}

// check ends the program on an error: no workload can go on after one.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}
