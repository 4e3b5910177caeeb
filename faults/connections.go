package faults

import (
	"fmt"
	"time"
)

// connection is embedded in each action that affects connections.
type connection struct{}

func (connection) ofConnection() {}

type toConnections interface{ ofConnection() }

// needsFor returns the feature that a target must have for an action on connections. For
// connections to storage this is "remote". For all other connections it is `otherwise`.
func needsFor(of Process, otherwise string) string {
	if of == Storage {
		return "remote"
	}
	return otherwise
}

// owner returns the owner of connections for use in a sentence.
func owner(of Process) string {
	if of == Same {
		return Same.words()
	}
	return "the " + string(of)
}

// Cut lets no data pass through connections. Neither side gets an error.
type Cut struct {
	connection
	Of Process // the process whose connections are affected, or Storage
}

func (c Cut) String() string { return "Cut " + string(c.Of) }
func (c Cut) describe() string {
	return fmt.Sprintf("cuts the connections of %s: no data passes, and neither side gets an error", owner(c.Of))
}
func (c Cut) whom() Process { return c.Of }
func (c Cut) at(process Process) Action {
	c.Of = process
	return c
}
func (c Cut) needs() string { return needsFor(c.Of, "partition") }

// Break resets connections. A process can open them again at once.
type Break struct {
	connection
	Of Process // the process whose connections are affected, or Storage
}

func (b Break) String() string   { return "Break " + string(b.Of) }
func (b Break) describe() string { return fmt.Sprintf("resets the connections of %s", owner(b.Of)) }
func (b Break) whom() Process    { return b.Of }
func (b Break) at(process Process) Action {
	b.Of = process
	return b
}
func (b Break) needs() string { return needsFor(b.Of, "network") }

// Lag delays the data that pass through connections.
type Lag struct {
	connection
	Of    Process // the process whose connections are affected, or Storage
	Delay time.Duration
}

func (l Lag) String() string { return fmt.Sprintf("Lag %s %s", l.Of, l.Delay) }
func (l Lag) describe() string {
	return fmt.Sprintf("delays all data on the connections of %s by %s", owner(l.Of), l.Delay)
}
func (l Lag) whom() Process { return l.Of }
func (l Lag) at(process Process) Action {
	l.Of = process
	return l
}
func (l Lag) needs() string { return needsFor(l.Of, "network") }

// Limit limits the bandwidth of connections.
type Limit struct {
	connection
	Of                 Process // the process whose connections are affected, or Storage
	KilobytesPerSecond int64
}

func (l Limit) String() string { return fmt.Sprintf("Limit %s %d", l.Of, l.KilobytesPerSecond) }
func (l Limit) describe() string {
	return fmt.Sprintf("limits the connections of %s to %d kilobytes a second", owner(l.Of), l.KilobytesPerSecond)
}
func (l Limit) whom() Process { return l.Of }
func (l Limit) at(process Process) Action {
	l.Of = process
	return l
}
func (l Limit) needs() string { return needsFor(l.Of, "bandwidth") }

// Heal ends the effect of all faults of connections.
type Heal struct{ connection }

func (Heal) String() string   { return "Heal" }
func (Heal) describe() string { return "ends the effect of all faults of connections" }
func (Heal) whom() Process    { return "" }
func (Heal) needs() string    { return "" }

var ofConnections = []rule{
	{
		name: "Cut", moments: byTheClock,
		read:     func(p *parser) Action { return Cut{Of: p.connection()} },
		examples: each(connectable, func(p Process) Action { return Cut{Of: p} }),
	},
	{
		name: "Break", moments: byTheClock,
		read:     func(p *parser) Action { return Break{Of: p.connection()} },
		examples: each(connectable, func(p Process) Action { return Break{Of: p} }),
	},
	{
		name: "Lag", moments: byTheClock,
		read:     func(p *parser) Action { return Lag{Of: p.connection(), Delay: p.duration()} },
		examples: each(connectable, func(p Process) Action { return Lag{Of: p, Delay: 50 * time.Millisecond} }),
	},
	{
		name: "Limit", moments: byTheClock,
		read: func(p *parser) Action {
			return Limit{Of: p.connection(), KilobytesPerSecond: p.number("kilobytes a second", "", 1)}
		},
		examples: each(connectable, func(p Process) Action { return Limit{Of: p, KilobytesPerSecond: 64} }),
	},
	{
		name: "Heal", moments: byTheClock,
		read:     func(*parser) Action { return Heal{} },
		examples: []Fault{{Action: Heal{}}},
	},
}
