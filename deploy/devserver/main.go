// Command devserver is a single-process Temporal server on SQLite with its web UI, for development, demonstrations
// and tests on machines where the Temporal CLI cannot be had.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	serverconfig "go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

func main() {
	args := os.Args[1:]
	if len(args) == 1 && args[0] == "--version" {
		fmt.Printf("devserver (Temporal server %s)\n", headers.ServerVersion)
		return
	}
	if len(args) < 2 || args[0] != "server" || args[1] != "start-dev" {
		fmt.Fprintln(os.Stderr, "usage: devserver server start-dev [flags]   (see --help)")
		os.Exit(2)
	}
	err := run(args[2:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	server, err := newServer(o)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()

	uiFailed := make(chan error, 1)
	if !o.headless {
		ui := newUI(o)
		defer ui.Stop()
		go func() { uiFailed <- ui.Start() }()
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	select {
	case <-interrupted:
		return nil
	case err := <-uiFailed:
		if err == nil {
			return nil
		}
		return fmt.Errorf("web UI: %w", err)
	}
}

func newServer(o options) (temporal.Server, error) {
	config, err := serverConfig(o)
	if err != nil {
		return nil, err
	}
	dynamic, err := dynamicConfig(o)
	if err != nil {
		return nil, err
	}
	if err := prepareDatabase(o, config); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: false, Level: logLevel(o.logLevel), Format: logFormat(o.logFormat)}))
	hosts := make(map[primitives.ServiceName]static.Hosts, len(config.Services))
	for name, service := range config.Services {
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(fmt.Sprintf("127.0.0.1:%d", service.RPC.GRPCPort))
	}
	return temporal.NewServer(
		temporal.WithConfig(config),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(dynamic),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*serverconfig.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
	)
}

func newUI(o options) *uiserver.Server {
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                o.ip,
		Port:                o.uiPort,
		TemporalGRPCAddress: fmt.Sprintf("%s:%d", o.ip, o.port),
		EnableUI:            true,
		HideLogs:            true,
		DisableNewsFetch:    true,
		CORS:                uiconfig.CORS{CookieInsecure: true},
	}))
}

func logLevel(level string) string {
	if level == "never" {
		return "fatal"
	}
	return level
}

func logFormat(format string) string {
	if format == "json" {
		return "json"
	}
	return "console"
}
