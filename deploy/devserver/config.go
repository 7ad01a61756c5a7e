package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

const (
	clusterName = "active"
	storeName   = "sqlite"
	// A constant id: a file-backed database refuses to be opened by a cluster of another id.
	clusterID = "6fc1c1f2-0d1b-4d2f-9f5e-3a1f4b1f6f10"
)

// serverConfig is one process with all four services, one history shard and no archival.
func serverConfig(o options) (*config.Config, error) {
	pragmas, err := pairs("sqlite-pragma", o.sqlitePragmas)
	if err != nil {
		return nil, err
	}
	var c config.Config
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = o.ip
	c.Persistence = config.Persistence{
		DefaultStore:     storeName,
		VisibilityStore:  storeName,
		NumHistoryShards: 1,
		DataStores:       map[string]config.DataStore{storeName: {SQL: sqlStore(o, pragmas)}},
	}
	c.Services = map[string]config.Service{}
	taken := []int{o.port, o.uiPort}
	httpPort := o.httpPort
	if httpPort == 0 {
		if httpPort, err = freePort(o.ip, &taken); err != nil {
			return nil, err
		}
	}
	frontend := config.Service{RPC: config.RPC{GRPCPort: o.port, HTTPPort: httpPort, BindOnIP: o.ip}}
	c.Services[string(primitives.FrontendService)] = frontend
	for _, name := range []primitives.ServiceName{primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		port, err := freePort(o.ip, &taken)
		if err != nil {
			return nil, err
		}
		c.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: o.ip}}
	}
	address := fmt.Sprintf("%s:%d", o.ip, o.port)
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled:                true,
			InitialFailoverVersion: 1,
			RPCAddress:             address,
			HTTPAddress:            fmt.Sprintf("%s:%d", o.ip, httpPort),
			ClusterID:              clusterID,
		}},
	}
	c.DCRedirectionPolicy.Policy = "noop"
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State = "disabled"
	c.NamespaceDefaults.Archival.Visibility.State = "disabled"
	c.PublicClient.HostPort = address
	return &c, nil
}

// sqlStore keeps a file database in WAL mode with a busy timeout: without them parallel updates stall for seconds.
func sqlStore(o options, pragmas map[string]string) *config.SQL {
	store := &config.SQL{PluginName: sqlite.PluginName}
	if o.databaseFile == "" {
		store.DatabaseName = fmt.Sprintf("devserver-%d", os.Getpid())
		store.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
	} else {
		store.DatabaseName = o.databaseFile
		store.ConnectAttributes = map[string]string{"mode": "rwc", "journal_mode": "wal", "busy_timeout": "10000", "synchronous": "full"}
	}
	for name, value := range pragmas {
		store.ConnectAttributes[name] = value
	}
	return store
}

func prepareDatabase(o options, c *config.Config) error {
	store := c.Persistence.DataStores[storeName].SQL
	if o.databaseFile != "" {
		_, err := os.Stat(o.databaseFile)
		if errors.Is(err, fs.ErrNotExist) {
			err = sqliteschema.SetupSchema(store)
		}
		if err != nil {
			return err
		}
	}
	attributes, err := searchAttributes(o)
	if err != nil {
		return err
	}
	var namespaces []*sqliteschema.NamespaceConfig
	for _, name := range o.namespaces {
		namespace, err := sqliteschema.NewNamespaceConfig(clusterName, name, false, attributes)
		if err != nil {
			return err
		}
		namespaces = append(namespaces, namespace)
	}
	return sqliteschema.CreateNamespaces(store, namespaces...)
}

func searchAttributes(o options) (map[string]enumspb.IndexedValueType, error) {
	given, err := pairs("search-attribute", o.searchAttributes)
	if err != nil {
		return nil, err
	}
	attributes := make(map[string]enumspb.IndexedValueType, len(given))
	for name, kind := range given {
		indexed, err := enumspb.IndexedValueTypeFromString(kind)
		if err != nil {
			return nil, fmt.Errorf("--search-attribute %s: %w", name, err)
		}
		attributes[name] = indexed
	}
	return attributes, nil
}

func dynamicConfig(o options) (dynamicconfig.StaticClient, error) {
	given, err := pairs("dynamic-config-value", o.dynamicConfig)
	if err != nil {
		return nil, err
	}
	values := dynamicconfig.StaticClient{
		// A dev server's clients list and count far more often than a production namespace allows.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8192,
	}
	for key, text := range given {
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("--dynamic-config-value %s: %q is not JSON", key, text)
		}
		if number, ok := value.(json.Number); ok {
			if whole, err := number.Int64(); err == nil {
				value = int(whole)
			} else if value, err = number.Float64(); err != nil {
				return nil, err
			}
		}
		values[dynamicconfig.MakeKey(key)] = value
	}
	return values, nil
}

// freePort asks the system for a port and remembers it, so that no two services of this process get the same.
func freePort(ip string, taken *[]int) (int, error) {
	for range 20 {
		listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			return 0, err
		}
		port := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		seen := false
		for _, other := range *taken {
			seen = seen || other == port
		}
		if !seen {
			*taken = append(*taken, port)
			return port, nil
		}
	}
	return 0, errors.New("no free port found")
}
