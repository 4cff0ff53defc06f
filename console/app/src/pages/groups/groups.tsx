import { Page } from '../../components/page';

export default function GroupsPage() {
  return <Page title="Groups">…</Page>;
}
