// A gRPC application without a proxy in Go: the second real client of the proxyless suite. Its bootstrap comes by
// GRPC_XDS_BOOTSTRAP_CONFIG; orders come as JSON lines on stdin, outcomes go as JSON lines to stdout (proxyless-client.ts).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

type order struct {
	ID           int               `json:"id"`
	Target       string            `json:"target"`
	Path         string            `json:"path"`
	Headers      map[string]string `json:"headers"`
	TimeoutMs    int               `json:"timeoutMs"`
	WaitForReady bool              `json:"waitForReady"`
}

type outcome struct {
	ID   int    `json:"id"`
	Code int    `json:"code"`
	Text string `json:"text"`
}

// raw sends bytes as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (raw) Name() string { return "raw" }

func call(conn *grpc.ClientConn, o order) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.TimeoutMs)*time.Millisecond)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(o.Headers))
	request, response := []byte("hello"), []byte{}
	err := conn.Invoke(ctx, o.Path, &request, &response, grpc.ForceCodec(raw{}), grpc.WaitForReady(o.WaitForReady))
	if err != nil {
		said := status.Convert(err)
		return outcome{o.ID, int(said.Code()), said.Message()}
	}
	return outcome{o.ID, 0, string(response)}
}

func main() {
	conns := map[string]*grpc.ClientConn{}
	var writing sync.Mutex
	write := func(v any) {
		line, _ := json.Marshal(v)
		writing.Lock()
		defer writing.Unlock()
		fmt.Println(string(line))
	}
	write("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		conn := conns[o.Target]
		if conn == nil {
			made, err := grpc.NewClient(o.Target, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				write(outcome{o.ID, -1, err.Error()})
				continue
			}
			conn = made
			conns[o.Target] = conn
		}
		go func() { write(call(conn, o)) }()
	}
}
