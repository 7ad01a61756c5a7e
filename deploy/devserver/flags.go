package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
)

// options are the choices of one `server start-dev` call. The flag names are those that the Temporal SDKs
// pass to a dev server, so that any SDK's local test environment can run on this binary.
type options struct {
	ip               string
	port             int
	httpPort         int
	uiPort           int
	headless         bool
	namespaces       repeated
	databaseFile     string
	logLevel         string
	logFormat        string
	dynamicConfig    repeated
	searchAttributes repeated
	sqlitePragmas    repeated
}

// repeated collects a flag that may be given more than once.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, ",") }
func (r *repeated) Set(v string) error { *r = append(*r, v); return nil }

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("server start-dev", flag.ContinueOnError)
	flags.StringVar(&o.ip, "ip", "127.0.0.1", "address to listen on")
	flags.IntVar(&o.port, "port", 7233, "port of the gRPC frontend")
	flags.IntVar(&o.httpPort, "http-port", 0, "port of the HTTP API (0: any free port)")
	flags.IntVar(&o.uiPort, "ui-port", 0, "port of the web UI (0: the frontend's port + 1000)")
	flags.BoolVar(&o.headless, "headless", false, "run without the web UI")
	flags.Var(&o.namespaces, "namespace", "namespace to create (may be repeated)")
	flags.StringVar(&o.databaseFile, "db-filename", "", "SQLite file to keep histories in (empty: in memory)")
	flags.StringVar(&o.logLevel, "log-level", "warn", "debug, info, warn, error or never")
	flags.StringVar(&o.logFormat, "log-format", "text", "text, pretty or json")
	flags.Var(&o.dynamicConfig, "dynamic-config-value", "KEY=VALUE, the value as JSON (may be repeated)")
	flags.Var(&o.searchAttributes, "search-attribute", "NAME=TYPE (may be repeated)")
	flags.Var(&o.sqlitePragmas, "sqlite-pragma", "NAME=VALUE (may be repeated)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.port < 1 || o.port > 65535 {
		return o, errors.New("--port: " + strconv.Itoa(o.port) + " is not between 1 and 65535")
	}
	if o.uiPort == 0 {
		o.uiPort = o.port + 1000
	}
	if len(o.namespaces) == 0 {
		o.namespaces = repeated{"default"}
	}
	return o, nil
}

// pairs splits NAME=VALUE entries; name is the flag, for the error.
func pairs(name string, entries []string) (map[string]string, error) {
	result := make(map[string]string, len(entries))
	for _, entry := range entries {
		key, value, found := strings.Cut(entry, "=")
		if !found || key == "" {
			return nil, fmt.Errorf("--%s: %q is not NAME=VALUE", name, entry)
		}
		result[key] = value
	}
	return result, nil
}
