package workload

import "fmt"

// transfer returns an input record of workload transfers.
func (w Workload) transfer(split, index int64) (from, to, amount int64) {
	from, amount = w.Input(split, index)
	return from, int64(w.hash(split, index) >> 20 % uint64(w.Keys)), amount + 1
}

// The sides of a transfer.
const (
	taken = iota
	given
)

// movement returns the account and the change of one side of a transfer.
func (w Workload) movement(id ID) (account, change int64) {
	from, to, amount := w.transfer(id.A, id.B)
	if id.C == taken {
		return from, -amount
	}
	return to, amount
}

func (w Workload) legs() []ID {
	var ids []ID
	for _, id := range w.records() {
		ids = append(ids, ID{id.A, id.B, taken}, ID{id.A, id.B, given})
	}
	return ids
}

func legName(id ID) string {
	return fmt.Sprintf("what record %d of split %d %s", id.B, id.A, [...]string{"takes", "gives"}[id.C])
}

// parseTransfer reads the fields split, index, account, change, movements and balance.
func (w Workload) parseTransfer(text string) (Line, error) {
	n, err := numbers(text, 6)
	if err != nil {
		return Line{}, err
	}
	line := Line{ID: ID{n[0], n[1], given}, Key: n[2], Value: n[3], Count: n[4], Sum: n[5]}
	if line.Value < 0 {
		line.ID.C = taken
	}
	if w.inside(n[0], n[1]) {
		if account, change := w.movement(line.ID); line.Key == account && line.Value == change {
			return line, nil
		}
	}
	return Line{}, fmt.Errorf("record %d of split %d with account %d and change %d", n[1], n[0], n[2], n[3])
}

// wrongAccounts checks the balances of each account. If `all` is true, the lines are the whole
// output, and it also checks that the sum of all balances is the same as at the beginning.
func (w Workload) wrongAccounts(lines []Line, all bool) []string {
	var wrong []string
	var together int64
	keys, grouped := byKey(lines)
	for _, key := range keys {
		if why := wrongSteps(grouped[key], true); why != "" {
			wrong = append(wrong, fmt.Sprintf("account %d: %s", key, why))
		}
		together += grouped[key][len(grouped[key])-1].Sum
	}
	if all && together != 0 && len(wrong) == 0 {
		wrong = append(wrong, fmt.Sprintf("the accounts together: their balances changed by %d", together))
	}
	return wrong
}
