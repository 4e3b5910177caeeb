package lease

import "fmt"

// Groups is a lease on process groups. When this process ends, the shell kills each group that the
// lease still holds, with all processes in it. Close the lease with [Groups.End].
type Groups struct{ lease *Lease }

// killGroups reads lines such as "hold 17" and "drop 17". At the end of its input it kills the
// groups that it still holds.
const killGroups = `
held=
while read -r verb group; do
  kept=
  for other in $held; do [ "$other" = "$group" ] || kept="$kept $other"; done
  held=$kept
  [ "$verb" = drop ] || held="$held $group"
done
for group in $held; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0`

// TakeGroups starts a lease that holds no groups yet.
func TakeGroups() (*Groups, error) {
	taken, err := take(killGroups)
	return &Groups{taken}, err
}

// Hold adds a process group to the lease.
func (g *Groups) Hold(group int) error {
	_, err := fmt.Fprintln(g.lease.held, "hold", group)
	return err
}

// Drop removes a process group that no longer exists. Another process may get its number.
func (g *Groups) Drop(group int) error {
	_, err := fmt.Fprintln(g.lease.held, "drop", group)
	return err
}

// End ends the lease, and kills the groups that it holds.
func (g *Groups) End() error { return g.lease.End() }
