// Package place says which names mean one place. A store is known by several schemes
// (s3, s3a, s3n and s3p; abfs, abfss, wasb, wasbs and azblob), a NameNode by its address,
// its name service or no name at all, and Flink records whichever its own configuration
// says. The environment knows the rest: HADOOP_CONF_DIR, and the account of Azure.
//
// It is not about local paths: what links and mounts make of those, the file system says
// ([filesystem.FileID]). It talks to no store.
//
// Start with [Places].
package place

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/colinmarc/hdfs/v2/hadoopconf"

	"github.com/snapback/snapback/storage/filesystem"
)

// Environment variables that are read.
const (
	HadoopVariable     = "HADOOP_CONF_DIR"
	accountVariable    = "AZURE_STORAGE_ACCOUNT"
	connectionVariable = "AZURE_STORAGE_CONNECTION_STRING"
	connectionOther    = "AZURE_STORAGEBLOB_CONNECTIONSTRING"
)

const nameNodePort = "8020" // the default of Hadoop

// stores are the schemes of stores that have several, and which of them stands for all.
var stores = map[string]string{
	"s3": "s3", "s3a": "s3", "s3n": "s3", "s3p": "s3",
	"azblob": "azblob", "abfs": "azblob", "abfss": "azblob", "wasb": "azblob", "wasbs": "azblob",
}

// Places knows the names of places. The zero value knows what needs no configuration.
type Places struct {
	hadoop  hadoopconf.HadoopConf
	broken  error  // why Hadoop's configuration could not be read
	account string // of Azure, of containers that are named without one
}

// FromEnvironment returns the places as this process's environment knows them. What is
// wrong with Hadoop's configuration is said when a name on HDFS is used.
func FromEnvironment() *Places {
	p := &Places{account: azureAccount()}
	dir := os.Getenv(HadoopVariable)
	if dir == "" {
		return p
	}
	var err error
	if p.hadoop, err = hadoopconf.Load(dir); err != nil {
		p.broken = fmt.Errorf("%s=%s: %w", HadoopVariable, dir, err)
	} else if p.hadoop == nil {
		p.broken = fmt.Errorf("%s=%s: want core-site.xml or hdfs-site.xml in it, found neither", HadoopVariable, dir)
	}
	return p
}

func azureAccount() string {
	if account := os.Getenv(accountVariable); account != "" {
		return account
	}
	connection := os.Getenv(connectionVariable)
	if connection == "" {
		connection = os.Getenv(connectionOther)
	}
	for _, pair := range strings.Split(connection, ";") {
		if account, found := strings.CutPrefix(pair, "AccountName="); found {
			return account
		}
	}
	return ""
}

// Name returns the one name of a place that stands for all its names. A name about which
// nothing is known stays as it is.
func (p *Places) Name(name string) string {
	if p == nil {
		p = &Places{}
	}
	scheme := filesystem.Scheme(name)
	if scheme == "file" {
		return name
	}
	on, at := filesystem.Split(name)
	authority := strings.TrimPrefix(on, scheme+"://")
	switch {
	case stores[scheme] == "azblob":
		return "azblob://" + p.container(authority) + at
	case stores[scheme] != "":
		return stores[scheme] + "://" + authority + at
	case scheme == "hdfs":
		return p.nameNode(authority) + at
	}
	return scheme + "://" + strings.ToLower(authority) + at
}

// container is the name of a container of Azure's: alone where it is of the account that
// is meant when none is named, and with its account elsewhere. Hadoop writes
// container@account.dfs.core.windows.net.
func (p *Places) container(authority string) string {
	name, host, _ := strings.Cut(authority, "@")
	account, _, _ := strings.Cut(strings.ToLower(host), ".")
	if account == "" || account == strings.ToLower(p.account) {
		return name
	}
	return name + "@" + account
}

// nameNode is the name of a NameNode: that of its name service if it has one, else its
// address with the port. It has neither where no configuration says which is meant.
func (p *Places) nameNode(authority string) string {
	if authority == "" {
		name := p.defaultFileSystem()
		if on, _ := filesystem.Split(name); filesystem.Scheme(name) == "hdfs" && on != "hdfs://" {
			return p.nameNode(strings.TrimPrefix(on, "hdfs://"))
		}
		return "hdfs://"
	}
	authority = strings.ToLower(authority)
	services := p.services()
	if slices.Contains(services, authority) {
		return "hdfs://" + authority
	}
	address := withPort(authority)
	for _, service := range services {
		if slices.Contains(p.addresses(service), address) {
			return "hdfs://" + service
		}
	}
	return "hdfs://" + address
}

// defaultFileSystem is what Hadoop's configuration says of names without a host.
func (p *Places) defaultFileSystem() string {
	for _, key := range []string{"fs.defaultFS", "fs.default.name"} {
		if name, err := filesystem.ParseName(strings.TrimSuffix(strings.TrimSpace(p.hadoop[key]), "/") + "/"); err == nil {
			return name
		}
	}
	return ""
}

// services lists the name services: names that each stand for several NameNodes.
func (p *Places) services() []string { return list(strings.ToLower(p.hadoop["dfs.nameservices"])) }

// addresses lists the NameNodes of a name service.
func (p *Places) addresses(service string) []string {
	var all []string
	for key, value := range p.hadoop {
		key = strings.ToLower(key)
		if key == "dfs.namenode.rpc-address."+service || strings.HasPrefix(key, "dfs.namenode.rpc-address."+service+".") {
			all = append(all, withPort(strings.ToLower(strings.TrimSpace(value))))
		}
	}
	slices.Sort(all)
	return all
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return net.JoinHostPort(address, nameNodePort)
	}
	return address
}

// NameNodes returns the addresses at which a NameNode may answer, by what
// [filesystem.Split] says of one of its names: several for a name service.
func (p *Places) NameNodes(on string) ([]string, error) {
	if p.broken != nil {
		return nil, p.broken
	}
	name := p.nameNode(strings.TrimPrefix(on, "hdfs://"))
	if name == "hdfs://" {
		return nil, &UnknownNameNodeError{}
	}
	authority := strings.TrimPrefix(name, "hdfs://")
	if addresses := p.addresses(authority); len(addresses) > 0 {
		return addresses, nil
	}
	if slices.Contains(p.services(), authority) {
		return nil, fmt.Errorf("%s: hdfs-site.xml has no dfs.namenode.rpc-address of the name service %s", os.Getenv(HadoopVariable), authority)
	}
	return []string{withPort(authority)}, nil
}

// UnknownNameNodeError says that a name has no host and nothing says which is meant.
type UnknownNameNodeError struct{}

func (e *UnknownNameNodeError) Error() string {
	return "which NameNode is meant by hdfs:/ is not known: set " + HadoopVariable + " to the directory of core-site.xml, or add --rebase hdfs:///=hdfs://NAMENODE:8020/"
}

// Known lists the schemes of the stores that can be reached. Each store has others
// besides: s3a, abfss.
func Known() []string { return []string{"file", "hdfs", "s3", "gs", "azblob"} }

// UnknownError is returned for a name on a store that cannot be reached: nobody here
// knows its scheme, or which host it means. It does not say that nothing is there.
type UnknownError struct {
	Name string
	Err  error // nil for an unknown scheme
}

func (e *UnknownError) Error() string { return e.Name + ": " + e.Why() }

// Why says why, without the name.
func (e *UnknownError) Why() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("this store cannot be reached: want one of the schemes %s, got %s", strings.Join(Known(), ", "), filesystem.Scheme(e.Name))
}

// Unwrap returns why the host is not known.
func (e *UnknownError) Unwrap() error { return e.Err }
