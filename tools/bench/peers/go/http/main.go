// SPDX-License-Identifier: MIT

// An HTTP server, as net/http has it: go-http --host H --port N --procs N. SIGTERM ends it (its
// default action).
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strconv"
)

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain") // else it looks at the body to find out
	io.WriteString(w, "hello, weft")
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
	http.HandleFunc("GET /{$}", hello)
	log.Fatal(http.Serve(listener, nil))
}
