// SPDX-License-Identifier: MIT

// An echo server in which every tenth request costs 1 ms of CPU: how long do the others take? The
// clients are a child process, so that they do not compete for the server's processors in its
// own scheduler.
package main

import (
	"io"
	"net"
	"os/exec"
	"slices"
	"time"
)

const (
	mixedClients = 50
	mixedTime    = time.Second
	requestBytes = 64 // the first byte says whether to burn
	burnEach     = 10
	burnUS       = 1000
)

func mixedServe(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed: the run is over
		}
		go func() {
			defer conn.Close()
			var request [requestBytes]byte
			for {
				if _, err := io.ReadFull(conn, request[:]); err != nil {
					return
				}
				if request[0] == 1 {
					work(burnUS)
				}
				if _, err := conn.Write(request[:]); err != nil {
					return
				}
			}
		}()
	}
}

func mixedP99() []float64 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	go mixedServe(listener)
	program, args, env := childArgs("mixed", listener.Addr().String())
	env = append(env, "GOMAXPROCS=1")
	args[2] = "1"
	return values(&exec.Cmd{Path: program, Args: args, Env: env})
}

// mixedClient sends one request after the other and returns how long those took that burnt
// nothing. The clients burn in turns, not all in the same request.
func mixedClient(address string, turn int) []time.Duration {
	conn, err := net.Dial("tcp", address)
	check(err)
	defer conn.Close()
	var took []time.Duration
	var buffer [requestBytes]byte
	for end := time.Now().Add(mixedTime); ; turn++ {
		start := time.Now()
		if start.After(end) {
			return took
		}
		buffer[0] = 0
		if turn%burnEach == 0 {
			buffer[0] = 1
		}
		_, err = conn.Write(buffer[:])
		check(err)
		_, err = io.ReadFull(conn, buffer[:])
		check(err)
		if buffer[0] == 0 {
			took = append(took, time.Since(start))
		}
	}
}

func mixedChild() []float64 {
	var took [mixedClients][]time.Duration
	together(mixedClients, func(i int) { took[i] = mixedClient(options.names[0], i) })
	all := slices.Concat(took[:]...)
	slices.Sort(all)
	return []float64{microseconds(percentile(all, 99))}
}
