// SPDX-License-Identifier: MIT

// An echo server in which every tenth request costs 1 ms of CPU: how long do the others take? The
// server is a child process; the client, in this one, is a plain epoll loop, which is the same
// for all peers. Each connection has one request on its way at any time.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

const (
	mixedConnections = 50
	mixedTime        = 2 * time.Second
	stuckMS          = 5000
	requestBytes     = 64 // the first byte says whether to burn
	burnEach         = 10
	burnUS           = 1000
)

// --- The server ---

func mixedServe(conn net.Conn) {
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
}

// mixedChild says on which port it listens, and serves until its stdin ends.
func mixedChild() []float64 {
	calibrateWork()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			check(err)
			go mixedServe(conn)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	check(err)
	return nil
}

// --- The client ---

type connection struct {
	got    int // bytes of the answer
	isHard bool
	sent   time.Time
}

type client struct {
	connections map[int32]*connection // by file descriptor
	sent        int
	took        []time.Duration
}

func (c *client) request(fd int32) {
	var message [requestBytes]byte
	c.sent++
	conn := c.connections[fd]
	conn.got = 0
	conn.isHard = c.sent%burnEach == 0
	if conn.isHard {
		message[0] = 1
	}
	conn.sent = time.Now()
	_, err := syscall.Write(int(fd), message[:])
	check(err)
}

// answer is called when something can be read; the next request follows the answer at once.
func (c *client) answer(fd int32) {
	var message [requestBytes]byte
	conn := c.connections[fd]
	n, err := syscall.Read(int(fd), message[:requestBytes-conn.got])
	check(err)
	if n == 0 {
		panic("mixed: the server closed a connection")
	}
	conn.got += n
	if conn.got < requestBytes {
		return
	}
	if !conn.isHard {
		c.took = append(c.took, time.Since(conn.sent))
	}
	c.request(fd)
}

func (c *client) connect(epoll, port int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	check(err)
	check(syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	check(syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	check(syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &event))
	c.connections[int32(fd)] = &connection{}
}

// talk returns how long the requests took that burnt nothing.
func talk(port int) []time.Duration {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	check(err)
	defer syscall.Close(epoll)
	c := client{connections: map[int32]*connection{}, took: make([]time.Duration, 0, 1<<20)}
	for range mixedConnections {
		c.connect(epoll, port)
	}
	start := time.Now()
	for fd := range c.connections {
		defer syscall.Close(int(fd))
		c.request(fd)
	}
	var events [mixedConnections]syscall.EpollEvent
	for time.Since(start) < mixedTime {
		n, err := syscall.EpollWait(epoll, events[:], stuckMS)
		if err == syscall.EINTR {
			continue // the runtime sends signals to its threads
		}
		check(err)
		if n == 0 {
			panic("mixed: the server does not answer")
		}
		for _, event := range events[:n] {
			c.answer(event.Fd)
		}
	}
	return c.took
}

func mixedP99() []float64 {
	program, args, env := childArgs("mixed")
	server := &exec.Cmd{Path: program, Args: args, Env: env, Stderr: os.Stderr}
	stdin, err := server.StdinPipe()
	check(err)
	stdout, err := server.StdoutPipe()
	check(err)
	check(server.Start())
	var port int
	_, err = fmt.Fscan(stdout, &port)
	check(err)
	took := talk(port)
	check(stdin.Close())
	check(server.Wait())
	slices.Sort(took)
	return []float64{microseconds(percentile(took, 99))}
}
