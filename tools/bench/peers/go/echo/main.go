// SPDX-License-Identifier: MIT

// An echo server: go-echo --host H --port N --procs N. SIGTERM ends it (its default action).
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"runtime"
	"strconv"
)

func serve(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen on")
	port := flag.Int("port", 0, "port; 0 picks one")
	procs := flag.Int("procs", 1, "processors")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)

	listener, err := net.Listen("tcp", net.JoinHostPort(*host, strconv.Itoa(*port)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %v\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}
